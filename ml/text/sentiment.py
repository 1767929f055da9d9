"""Whether a text is content or not: words that carry a judgement are weighed, per language.

A lexicon and no trained model: from the few sentences whose sentiment is known a model learned little more than the
sentences themselves, and said the opposite of the truth more often (docs/messages.md).
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Label = Literal["positive", "neutral", "negative", "unknown"]

_LABEL_FROM = 0.2
_REACH_WORDS = 3
_REACH_CHARACTERS = 6
_WITHOUT_SPACES = frozenset({"ja"})


@dataclass(frozen=True)
class Sentiment:
    """A score from -1 to 1 with its label; `unknown`, without a score, where the language has no lexicon."""

    label: Label
    score: float | None


UNKNOWN = Sentiment("unknown", None)


@dataclass(frozen=True)
class _Lexicon:
    words: re.Pattern[str]
    negators: re.Pattern[str]
    negates_before: bool
    """Whether negators follow what they negate."""


def languages() -> frozenset[str]:
    """Those with a lexicon, as ISO 639-1."""
    return frozenset(_entries()) - {"any"}


def judge(text: str, language: str | None) -> Sentiment:
    """The sentiment of a text in a language."""
    if language not in languages():
        return UNKNOWN
    lexicon = _lexicon(language)
    folded = text.casefold().replace("’", "'")
    balance = sum(_weight(lexicon, folded, found) for found in lexicon.words.finditer(folded))
    score = round(balance / (abs(balance) + 1), 3)
    label: Label = "positive" if score > _LABEL_FROM else "negative" if score < -_LABEL_FROM else "neutral"
    return Sentiment(label, score)


def _weight(lexicon: _Lexicon, text: str, found: re.Match[str]) -> int:
    weight = 1 if found.lastgroup == "positive" else -1
    if lexicon.negates_before:
        is_negated = lexicon.negators.match(text, found.end(), found.end() + _REACH_CHARACTERS)
    else:
        clause = re.split(r"[.!?;:,…]", text[max(0, found.start() - 60) : found.start()])[-1]
        is_negated = lexicon.negators.search(" ".join(clause.split()[-_REACH_WORDS:]))
    # What is not good is bad; what is not bad is hardly praise.
    return weight if not is_negated else -1 if weight > 0 else 0


@cache
def _entries() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("ml.text").joinpath("lexicon.toml").read_text(encoding="utf-8"))


@cache
def _lexicon(language: str) -> _Lexicon:
    entry, emoji = _entries()[language], _entries()["any"]
    is_spaced = language not in _WITHOUT_SPACES
    judged = {
        mood: "|".join([_alternatives(entry[mood], is_spaced), *map(re.escape, emoji[mood].split())])
        for mood in ("positive", "negative")
    }
    # Longer entries first, whichever the mood: "not satisfied" must not be found as "satisfied".
    words = "|".join(f"(?P<{mood}>{pattern})" for mood, pattern in sorted(judged.items()))
    negators = _alternatives(entry["negators"], is_spaced)
    return _Lexicon(re.compile(words), re.compile(negators if is_spaced else f".*?(?:{negators})"), not is_spaced)


def _alternatives(entries: str, is_spaced: bool) -> str:
    words = sorted(entries.casefold().split("|"), key=len, reverse=True)
    pieces = [re.escape(word).replace(r"\*", r"\w*") for word in words]
    joined = "|".join(pieces)
    return rf"(?<!\w)(?:{joined})(?!\w)" if is_spaced else f"(?:{joined})"
