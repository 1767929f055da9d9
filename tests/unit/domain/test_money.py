"""Amounts in minor units and in US cents."""

import pytest

from domain.money import minor_unit_exponent, to_minor, to_usd_minor


@pytest.mark.parametrize(("currency", "places"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("XXX", 2)])
def test_minor_units_follow_iso_4217(currency: str, places: int) -> None:
    assert minor_unit_exponent(currency) == places


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [(12.34, "EUR", 1234), (100.0, "JPY", 100), (1.2345, "KWD", 1235), (0.005, "EUR", 1), (0.004, "EUR", 0)],
)
def test_amounts_become_whole_minor_units_with_halves_rounded_up(amount: float, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


def test_dollar_worth_uses_the_reporting_rate() -> None:
    assert to_usd_minor(100.0, "EUR") == 10_800
    assert to_usd_minor(100.0, "USD") == 10_000


def test_a_currency_without_a_rate_has_no_dollar_worth() -> None:
    assert to_usd_minor(100.0, "KWD") is None
