"""Rate profiles."""

from itertools import pairwise

import pytest

from producer.schedule import DAILY_CURVE, Schedule, factor_at

START = 1_772_323_200_000  # 2026-03-01T00:00:00Z
DAY_MS = 86_400_000


def test_a_constant_rate_spaces_purchases_evenly() -> None:
    assert list(Schedule(4, START, duration_seconds=1).instants()) == [START, START + 250, START + 500, START + 750]


def test_a_count_ends_the_schedule_before_its_duration_does() -> None:
    assert len(list(Schedule(10, START, duration_seconds=10, purchases=7).instants())) == 7


@pytest.mark.parametrize("profile", ["constant", "daily", "burst"])
def test_every_profile_keeps_the_mean_rate_over_a_day(profile: str) -> None:
    instants = list(Schedule(0.5, START, profile, 86_400).instants())  # type: ignore[arg-type]

    assert len(instants) == pytest.approx(43_200, rel=0.02)
    assert all(before <= after for before, after in pairwise(instants))


def test_the_evening_is_busier_than_the_night() -> None:
    assert sum(DAILY_CURVE) == pytest.approx(24)
    assert factor_at("daily", START + 19 * 3_600_000) > 3 * factor_at("daily", START + 3 * 3_600_000)


def test_a_burst_is_several_times_the_rate_between_bursts() -> None:
    assert factor_at("burst", START + 1000) == 7 * factor_at("burst", START + 30_000)
