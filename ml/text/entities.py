"""What a text names: amounts, dates, references, addresses, numbers, merchants; and what of it may be stored.

Numbers of cards and accounts, e-mail addresses and phone numbers are masked wherever they stand, also in the value of
the entity itself. In doubt a number is masked: a long reference lost is cheaper than a card number kept.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

import ahocorasick
from babel.dates import get_month_names
from babel.numbers import list_currencies
from phonenumbers import Leniency, PhoneNumberMatcher

Kind = Literal["card", "iban", "email", "phone", "amount", "date", "reference", "merchant"]
MASKED: frozenset[Kind] = frozenset({"card", "iban", "email", "phone"})
MOST = 50
"""Entities kept of one text."""

_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "円": "JPY", "₹": "INR", "₴": "UAH", "₫": "VND", "₦": "NGN",
          "R$": "BRL"}  # fmt: skip
_WORDS = {"грн": "UAH", "đ": "VND"}
_WITHOUT_DECIMALS = frozenset({"JPY", "VND", "KRW", "CLP"})
_GAP = "[ \u00a0\u202f\u2009\u200b\u200c\u200d\u2060\ufeff\u3000\\t\\n\\r._\\-\u2010-\u2015\uff0d]"
_UUID = re.compile(r"(?<![\w-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![\w-])")
_DIGITS = re.compile(rf"\d(?:{_GAP}{{0,3}}\d){{12,}}")
_CARD_GROUPS = re.compile(
    rf"\d{{4}}(?:{_GAP}{{1,3}}\d{{4}}){{3}}(?:{_GAP}{{1,3}}\d{{1,3}})?|\d{{4}}{_GAP}{{1,3}}\d{{6}}{_GAP}{{1,3}}\d{{4,5}}"
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"
)
_EMAIL = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_NUMBER = r"\d{1,3}(?:[.,\u00a0\u202f ’']\d{3})+(?:[.,]\d{1,3})?(?!\d)|\d{1,12}(?:[.,]\d{1,3})?(?!\d)"
# Eight hexadecimal digits, letters before figures, or groups in capitals; each with a figure in it.
_REFERENCE = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[0-9A-Za-z-]*[0-9])"
    r"(?:[0-9a-f]{8}|[A-Z]{1,4}-?[0-9]{4,12}|(?=[A-Z0-9-]*[A-Z])[A-Z0-9]{3,}(?:-[A-Z0-9]{2,})+)(?![A-Za-z0-9-])"
)
_DATES = (
    re.compile(r"(?<!\d)(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日"),
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>\d{4})(?!\d)"),
)


@dataclass(frozen=True)
class Entity:
    """Something named in a text: its kind, its value (masked where it must be), an amount's currency."""

    kind: Kind
    value: str
    currency: str | None = None


class Gazetteer:
    """Names to look for, all at once, however many there are. The longest match wins."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._automaton = ahocorasick.Automaton()
        for name in names:
            if len(name.strip()) >= 3:
                self._automaton.add_word(name.strip().casefold(), name.strip())
        if len(self._automaton):
            self._automaton.make_automaton()

    def __len__(self) -> int:
        return len(self._automaton)

    def find(self, text: str) -> list[str]:
        """Names that occur as whole words, in order, each once."""
        if not len(self):
            return []
        folded, found = text.casefold(), dict[str, None]()
        for end, name in self._automaton.iter_long(folded):
            start = end - len(name.casefold()) + 1
            if not _continues(folded, start - 1, start) and not _continues(folded, end + 1, end):
                found.setdefault(name)
        return list(found)


@dataclass(frozen=True)
class Extracted:
    """The text as it may be stored, and what it names."""

    text: str
    entities: tuple[Entity, ...]


def extract(text: str, gazetteer: Gazetteer, language: str | None = None) -> Extracted:
    """Mask a text and list what it names, at most MOST entities, each once."""
    masked, found = _mask(text)
    for entity in _named(masked, gazetteer, language):
        found.setdefault(entity)
    return Extracted(masked, tuple(found)[:MOST])


def mask(text: str) -> str:
    """The text without numbers of cards and accounts, addresses and phone numbers."""
    return _mask(text)[0]


def _mask(text: str) -> tuple[str, dict[Entity, None]]:
    found: dict[Entity, None] = {}

    def replace(kind: Kind, shown: str) -> str:
        found.setdefault(Entity(kind, shown))
        return shown

    def digits(match: re.Match[str]) -> str:
        return replace("card", _last_four(match[0])) if _is_card(match[0]) else match[0]

    masked = _EMAIL.sub(lambda match: replace("email", f"{match[0][0]}***@{match[0].rpartition('@')[2]}"), text)
    masked = _IBAN.sub(lambda match: replace("iban", _last_four(match[0])) if _is_iban(match[0]) else match[0], masked)
    pieces, at = [], 0
    for uuid in _UUID.finditer(masked):
        pieces += [_DIGITS.sub(digits, masked[at : uuid.start()]), uuid[0]]
        at = uuid.end()
    masked = "".join([*pieces, _DIGITS.sub(digits, masked[at:])])
    for number in reversed(_phones(masked)):
        masked = masked[: number[0]] + replace("phone", "***" + masked[number[1] - 2 : number[1]]) + masked[number[1] :]
    return masked, found


def _is_card(run: str) -> bool:
    """Whether 13 digits and more, perhaps with gaps, may hold a card number."""
    digits = "".join(str(int(character)) for character in run if character.isdecimal())
    return len(digits) == len(run) or bool(_CARD_GROUPS.search(run)) or _holds_luhn(digits)


def _holds_luhn(digits: str) -> bool:
    """Whether some 13 to 19 neighbouring digits have a valid check digit: a card among other figures."""
    spans = ((start, start + length) for length in range(13, 20) for start in range(max(0, len(digits) - length + 1)))
    return any(_luhn(digits[start:end]) for start, end in spans)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return digits[0] in "23456" and (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_iban(text: str) -> bool:
    plain = re.sub(r"[ -]", "", text).upper()
    return plain.isascii() and int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _last_four(run: str) -> str:
    return "****" + "".join(character for character in run if character.isalnum())[-4:]


def _phones(text: str) -> list[tuple[int, int]]:
    """Where international numbers stand; national ones cannot be told from other figures."""
    if "+" not in text:
        return []
    return [(match.start, match.end) for match in PhoneNumberMatcher(text, None, leniency=Leniency.POSSIBLE)]


def _named(text: str, gazetteer: Gazetteer, language: str | None) -> Iterator[Entity]:
    """What is named without being masked. Names of merchants may hold figures: they are taken out first."""
    for name in gazetteer.find(text):
        yield Entity("merchant", name)
        text = re.sub(re.escape(name), " ", text, flags=re.IGNORECASE)
    for match in _amounts().finditer(text):
        yield _amount(match)
    for pattern in (*_DATES, *_written_dates(language)):
        yield from _dates(pattern, text, language)
    for match in [*_UUID.finditer(text), *_REFERENCE.finditer(_amounts().sub(" ", text))]:
        yield Entity("reference", match[0])


def _amount(match: re.Match[str]) -> Entity:
    unit = match["before"] or match["after"]
    currency = (_SIGNS | _WORDS).get(unit, unit)
    return Entity("amount", _plain_number(match["first"] or match["second"], currency), currency)


def _plain_number(text: str, currency: str) -> str:
    """The number with a point for the decimals, whichever way it was written."""
    compact = re.sub(r"[\u00a0\u202f ’']", "", text)
    tail = re.search(r"[.,](\d{1,3})$", compact)
    separators = set(re.findall(r"[.,]", compact))
    # A lone separator before three digits groups thousands, but for 0,500 kinds of numbers.
    is_grouping = tail is not None and len(tail[1]) == 3 and len(separators) == 1 and not compact.startswith("0")
    if tail is None or is_grouping or (currency in _WITHOUT_DECIMALS and len(tail[1]) == 3):
        return re.sub(r"[.,]", "", compact)
    return re.sub(r"[.,]", "", compact[: tail.start()]) + "." + tail[1]


@cache
def _amounts() -> re.Pattern[str]:
    symbols = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))
    codes = "|".join(sorted(list_currencies()))
    unit = rf"(?:(?<![A-Za-z])(?:{codes})(?![A-Za-z])|{symbols}|(?:{'|'.join(_WORDS)})(?!\w))"
    space = r"[ \u00a0\u202f]?"
    return re.compile(
        rf"(?P<before>{unit}){space}(?P<first>{_NUMBER})|(?<![A-Za-z0-9.,])(?P<second>{_NUMBER}){space}(?P<after>{unit})"
    )


def _dates(pattern: re.Pattern[str], text: str, language: str | None) -> Iterator[Entity]:
    for match in pattern.finditer(text):
        month = match["m"]
        number = int(month) if month.isdigit() else _months(str(language))[month.casefold()]
        try:
            yield Entity("date", date(int(match["y"]), number, int(match["d"])).isoformat())
        except ValueError:
            continue


@cache
def _months(language: str) -> dict[str, int]:
    widths = [get_month_names("wide", locale=language), get_month_names("abbreviated", locale=language)]
    return {name.casefold().strip("."): number for names in widths for number, name in names.items()}


@cache
def _written_dates(language: str | None) -> tuple[re.Pattern[str], ...]:
    """Dates with the month's name, such as 3 March 2026; languages that count their months need none."""
    if language not in ("en", "de", "fr", "es", "pt", "uk"):
        return ()
    names = "|".join(sorted(map(re.escape, _months(language)), key=len, reverse=True))
    day = r"(?<!\d)(?P<d>\d{1,2})(?:st|nd|rd|th|\.|er)?"
    return (re.compile(rf"{day}\s+(?:de\s+)?(?P<m>{names})\.?,?\s+(?:de\s+)?(?P<y>\d{{4}})(?!\d)", re.IGNORECASE),)


def _continues(text: str, outside: int, inside: int) -> bool:
    """Whether a word runs on across the edge of a match. Between scripts, as in Japanese, words have no space."""
    if not 0 <= outside < len(text) or not text[outside].isalnum() or not text[inside].isalnum():
        return False
    return text[outside].isascii() == text[inside].isascii()
