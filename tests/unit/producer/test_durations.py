"""Lengths of time as people type them."""

import pytest

from producer.durations import parse_duration
from producer.errors import ProducerError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172_800), ("250ms", 0.25), ("7", 7)]
)
def test_units_are_understood(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "3x", "-1s", "s", "1m30s"])
def test_nonsense_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ProducerError, match="90s, 10m"):
        parse_duration(text)
