"""Figures as people read them."""

from decimal import Decimal

import pytest

from serving.console import formats


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0.00"), ("999.99", "$999.99"), ("1000", "$1.00K"), ("1234567.8", "$1.23M"), ("2500000000", "$2.50B")],
)
def test_usd_keeps_two_decimals_at_every_scale(amount: str, text: str) -> None:
    assert formats.usd(Decimal(amount)) == text


@pytest.mark.parametrize(("minutes", "text"), [(None, "–"), (5, "5 min"), (60, "1 h"), (90, "1.5 h"), (1440, "1 d")])
def test_waits_are_told_in_the_largest_unit(minutes: int | None, text: str) -> None:
    assert formats.wait(minutes) == text


@pytest.mark.parametrize("shown", [formats.count, formats.percent, formats.usd, formats.milliseconds])
def test_what_is_not_known_is_a_dash(shown: object) -> None:
    assert shown(None) == formats.NOTHING  # type: ignore[operator]


def test_codes_become_words() -> None:
    assert [formats.words(code) for code in ("insufficient_funds", "3ds_failed")] == [
        "Insufficient funds",
        "3DS failed",
    ]
