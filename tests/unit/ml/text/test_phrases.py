"""Key phrases."""

from ml.text.phrases import MOST, key_phrases


def test_what_is_told_again_comes_first() -> None:
    text = "The delivery fee is high. I asked for the delivery fee, and the delivery fee was not known."

    assert key_phrases(text, "en")[0] == "delivery fee"


def test_japanese_has_phrases_without_spaces() -> None:
    assert key_phrases("返金が届きません。返金とカード", "ja") == ["返金", "カード"]


def test_texts_without_words_have_none_and_long_ones_few() -> None:
    assert key_phrases("!!! 123 😀", "en") == []
    assert len(key_phrases("alpha, beta, gamma, delta, epsilon, zeta, eta", None)) == MOST
