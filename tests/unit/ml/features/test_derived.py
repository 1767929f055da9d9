"""Each derived feature says None where it cannot know."""

from datetime import UTC, datetime

import pytest

from ml.features import derived


def test_amounts_are_compared_with_the_mean_before() -> None:
    assert derived.to_mean(20.0, 2000.0, 2.0) == pytest.approx(0.6931, abs=1e-4)
    assert derived.to_mean(20.0, 0.0, 0.0) is None
    assert derived.to_mean(None, 2000.0, 2.0) is None


def test_an_amount_in_a_currency_without_a_rate_is_unknown_in_dollars() -> None:
    assert derived.usd(1000.0, "JPY") == pytest.approx(6.7)
    assert derived.usd(1000.0, "XXX") is None
    assert derived.usd(1000.0, None) is None


def test_a_logarithm_of_what_is_below_zero_is_unknown() -> None:
    assert derived.log(0.0) == 0.0
    assert derived.log(-0.5) is None


def test_pairs_need_both_sides() -> None:
    at = datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert derived.pair("a", "b") == "a|b"
    assert derived.pair("a", None) is None
    assert derived.pair_with_quarter("a", at) == "a|6h"
    assert derived.pair_with_hour("a", at) == "a|7"
    assert derived.pair_with_wait("soft", 0.1) != derived.pair_with_wait("soft", 0.09)


def test_a_customer_is_abroad_by_name_and_code() -> None:
    assert derived.is_abroad("Germany", "DE") == 0.0
    assert derived.is_abroad("Germany", "US") == 1.0
    assert derived.is_abroad("Atlantis", "US") is None
