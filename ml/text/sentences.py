"""Texts as sentences and words, with as little knowledge of the language as that takes."""

import re
from functools import cache

from babel import Locale
from stop_words import AVAILABLE_LANGUAGES, get_stop_words

_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_JAPANESE_WORD = re.compile(r"[一-龯々]{2,}|[ァ-ヴー]{2,}|[A-Za-z]{3,}")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order, without surrounding space."""
    return [sentence.strip() for sentence in _END.split(text) if sentence and sentence.strip()]


def words(text: str, language: str | None) -> list[str]:
    """The words that carry meaning. Japanese, which sets no spaces, gives its runs of kanji and katakana."""
    folded = text.lower()
    if language in ("ja", "zh"):
        return _JAPANESE_WORD.findall(folded)
    stop = stop_words(language)
    return [word for word in _WORD.findall(folded) if len(word) > 1 and word not in stop]


@cache
def stop_words(language: str | None) -> frozenset[str]:
    """Words without a meaning of their own; none for languages that no list is known of."""
    if language is None:
        return frozenset()
    name = (Locale(language).english_name or "").casefold()
    return frozenset(get_stop_words(name)) if name in AVAILABLE_LANGUAGES else frozenset()
