"""Whether a text is content."""

import pytest

from ml.text.sentiment import UNKNOWN, judge, languages
from producer.writing import sentences


def test_every_language_of_the_simulator_has_a_lexicon() -> None:
    assert languages() == set(sentences())


@pytest.mark.parametrize(
    ("language", "text", "label"),
    [
        ("en", "The food was good.", "positive"),
        ("en", "The food was not good.", "negative"),
        ("en", "THE FOOD WAS GOOD", "positive"),
        ("en", "Goodness gracious, 7 o'clock.", "neutral"),
        ("de", "Die Bestellung kam am Montag.", "neutral"),
        ("de", "Ich bin nicht zufrieden.", "negative"),
        ("fr", "C’est parfait.", "positive"),
        ("ja", "満足していません。", "negative"),
        ("ja", "満足しています。", "positive"),
        ("vi", "Tôi không thích.", "negative"),
        ("uk", "Мені не подобається.", "negative"),
        ("en", "👍", "positive"),
        ("pt", "", "neutral"),
    ],
)
def test_words_that_judge_are_weighed(language: str, text: str, label: str) -> None:
    assert judge(text, language).label == label


@pytest.mark.parametrize("language", ["fi", None, "any", "", "english"])
def test_an_unknown_language_has_no_sentiment(language: str | None) -> None:
    assert judge("Good, gut, bon, 👍", language) == UNKNOWN


def test_scores_stay_within_their_bounds() -> None:
    assert -1 <= (judge("awful " * 600, "en").score or 0) < -0.99
    assert 0.99 < (judge("great " * 600, "en").score or 0) <= 1
