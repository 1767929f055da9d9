"""Key phrases by RAKE: runs of words between stop words and marks, weighed by the company their words keep.

Rose et al., "Automatic keyword extraction from individual documents", 2010.
"""

import re
from collections import Counter
from itertools import groupby

from ml.text.sentences import stop_words, words

MOST = 5
_LONGEST_WORDS = 4
_PIECES = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[^\w\s]+|\d+")


def key_phrases(text: str, language: str | None, most: int = MOST) -> list[str]:
    """The phrases that say most about the text, best first, in lower case."""
    phrases = _japanese(text) if language in ("ja", "zh") else _runs(text, language)
    frequency = Counter(word for phrase in phrases for word in phrase)
    degree: Counter[str] = Counter()
    for phrase in phrases:
        degree.update({word: len(phrase) for word in phrase})
    scores = {phrase: sum(degree[word] / frequency[word] for word in phrase) for phrase in phrases}
    # The count before the score: what is told again and again is what it is about. Ties keep the text's order.
    told = Counter(phrases)
    ranked = sorted(scores, key=lambda phrase: (-told[phrase], -scores[phrase]))
    return [" ".join(phrase) for phrase in ranked[:most]]


def _japanese(text: str) -> list[tuple[str, ...]]:
    return [(word,) for word in words(text, "ja")]


def _runs(text: str, language: str | None) -> list[tuple[str, ...]]:
    stop = stop_words(language)
    pieces = _PIECES.findall(text.lower())
    runs = groupby(pieces, key=lambda piece: piece[0].isalpha() and len(piece) > 1 and piece not in stop)
    phrases = [tuple(run) for carries_meaning, run in runs if carries_meaning]
    return [phrase for phrase in phrases if len(phrase) <= _LONGEST_WORDS and len("".join(phrase)) > 2]
