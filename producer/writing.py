"""Puts a customer's text together, and remembers what is true of it: language, sentiment, topics and facts."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from random import Random

from producer.draw import Weighted

MAX_CHARACTERS = 4000
MIN_CHARACTERS = 20
LONG_SHARE = 0.03
STYLES = Weighted.of({"plain": 0.86, "emoji": 0.05, "shouted": 0.03, "typos": 0.04, "with_english": 0.02})
# The mood of a whole message; a sentence against it slips in now and then.
MOODS = {
    "review": Weighted.of({"positive": 0.60, "negative": 0.30, "neutral": 0.10}),
    "complaint": Weighted.of({"negative": 0.92, "neutral": 0.08}),
    "dispute": Weighted.of({"negative": 0.80, "neutral": 0.20}),
    "support": Weighted.of({"neutral": 0.60, "negative": 0.30, "positive": 0.10}),
}
ASIDE_SHARE = 0.15
VALUES = {"positive": 1, "neutral": 0, "negative": -1}
EMOJI = {"positive": "😀👍", "neutral": "🙏", "negative": "😡👎"}
DATES = {
    "en": ("{0:%Y-%m-%d}", "{0:%d/%m/%Y}"),
    "de": ("{0:%d.%m.%Y}",),
    "uk": ("{0:%d.%m.%Y}",),
    "ja": ("{0.year}年{0.month}月{0.day}日",),
}
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "UAH": "₴"}

Stock = dict[str, dict[str, dict[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message can mention."""

    merchant: str
    amount: float
    currency: str
    decimals: int
    reference: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Written:
    """A text and the truth about it. Only what the text mentions is listed."""

    text: str
    language: str
    sentiment: str
    topics: tuple[str, ...]
    style: str
    amounts: tuple[tuple[float, str], ...]
    merchants: tuple[str, ...]
    references: tuple[str, ...]
    templates: tuple[str, ...]


@cache
def sentences() -> dict[str, Stock]:
    """Sentences by language, channel, sentiment and topic."""
    return tomllib.loads((files("producer") / "texts.toml").read_text(encoding="utf-8"))


def write(rng: Random, language: str, channel: str, facts: Facts) -> Written:
    """A text of 20 to 4,000 characters; in English where the world has no sentences of the language."""
    spoken = language if language in sentences() else "en"
    length = 15 + rng.randrange(60) if rng.random() < LONG_SHARE else 1 + rng.randrange(4)
    mood = MOODS[channel].at(rng.random())
    style = STYLES.at(rng.random())
    drawn = _draw(rng, spoken, channel, mood, length)
    if style == "with_english" and spoken != "en":
        drawn += _draw(rng, "en", channel, mood, 1)
    slots = {
        "merchant": facts.merchant,
        "amount": _amount_text(rng, spoken, facts),
        "id": facts.reference,
        "date": _date_text(rng, spoken, facts.at_ms),
    }
    kept = _within_limit([(*sentence, sentence[2].format(**slots)) for sentence in drawn])
    # Scripts without case cannot be shouted; a typo must not fall on a fact.
    parts = [_styled(rng, style, template, slots) for _, _, template, _ in kept]
    value = sum(VALUES[sentiment] for sentiment, _, _, _ in kept)
    sentiment = "positive" if value > 0 else "negative" if value < 0 else "neutral"
    text = " ".join(parts) + (" " + rng.choice(EMOJI[sentiment]) if style == "emoji" else "")
    templates = tuple(template for _, _, template, _ in kept)
    return Written(
        text=text.ljust(MIN_CHARACTERS, ".")[:MAX_CHARACTERS],
        language=spoken,
        sentiment=sentiment,
        topics=tuple(dict.fromkeys(topic for _, topic, _, _ in kept)),
        style=style,
        amounts=((facts.amount, facts.currency),) if _mention(templates, "amount") else (),
        merchants=(facts.merchant,) if _mention(templates, "merchant") else (),
        references=(facts.reference,) if _mention(templates, "id") else (),
        templates=templates,
    )


def _draw(rng: Random, language: str, channel: str, mood: str, length: int) -> list[tuple[str, str, str]]:
    """(sentiment, topic, template) of each sentence; none is repeated before its stock is used up."""
    stock = sentences()[language][channel]
    decks: dict[str, list[tuple[str, str, str]]] = {}
    drawn = []
    for number in range(length):
        aside = number > 0 and rng.random() < ASIDE_SHARE
        sentiment = rng.choice(sorted(stock)) if aside else mood
        if not decks.get(sentiment):
            decks[sentiment] = [(sentiment, topic, text) for topic, texts in stock[sentiment].items() for text in texts]
            rng.shuffle(decks[sentiment])
        drawn.append(decks[sentiment].pop())
    return drawn


def _within_limit(parts: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """The whole sentences that fit, with room for a style; so the truth holds for what was sent."""
    room = MAX_CHARACTERS - 10
    kept: list[tuple[str, str, str, str]] = []
    for part in parts:
        room -= len(part[3]) + 1
        if kept and room < 0:
            break
        kept.append(part)
    return kept


def _styled(rng: Random, style: str, template: str, slots: dict[str, str]) -> str:
    if style == "shouted":
        template = _outside_slots(template, str.upper)
    if style == "typos":
        template = _outside_slots(template, lambda piece: _with_typo(rng, piece))
    return template.format(**slots)


def _outside_slots(template: str, change: Callable[[str], str]) -> str:
    pieces = template.replace("}", "}\0").replace("{", "\0{").split("\0")
    return "".join(piece if piece.startswith("{") else change(piece) for piece in pieces)


def _with_typo(rng: Random, piece: str) -> str:
    """Two neighbouring letters swapped."""
    places = [at for at in range(len(piece) - 1) if piece[at].isalpha() and piece[at + 1].isalpha()]
    if not places:
        return piece
    at = rng.choice(places)
    return piece[:at] + piece[at + 1] + piece[at] + piece[at + 2 :]


def _mention(templates: tuple[str, ...], slot: str) -> bool:
    return any(f"{{{slot}}}" in template for template in templates)


def _amount_text(rng: Random, language: str, facts: Facts) -> str:
    number = f"{facts.amount:,.{facts.decimals}f}"
    if language not in ("en", "ja"):
        thousands = "." if language in ("de", "es", "pt", "vi") else "\u00a0"
        number = number.replace(",", "\0").replace(".", ",").replace("\0", thousands)
    symbol = SYMBOLS.get(facts.currency)
    if symbol is None or rng.random() < 0.5:
        return f"{number} {facts.currency}"
    return f"{symbol}{number}" if language in ("en", "ja") else f"{number} {symbol}"


def _date_text(rng: Random, language: str, at_ms: int) -> str:
    day = datetime.fromtimestamp(at_ms / 1000, UTC) - timedelta(days=rng.randrange(1, 20))
    return rng.choice(DATES.get(language, ("{0:%d/%m/%Y}",))).format(day)
