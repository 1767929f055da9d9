"""Windows are aligned to the epoch, closed where they begin and open where they end."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.windows import Window, instant, micros, suspicion, windows

INSTANTS = st.integers(min_value=0, max_value=4_102_444_800_000_000)
TABLES = st.sampled_from(sorted(windows().values(), key=lambda window: window.name))


@settings(max_examples=30)
@given(TABLES, INSTANTS)
def test_an_event_is_in_every_window_around_it_and_in_no_other(window: Window, at: int) -> None:
    starts = window.starts(at)
    assert len(set(starts)) == len(starts) == window.overlap
    assert all(start <= at < start + window.width_us and start % window.slide_us == 0 for start in starts)


@settings(max_examples=30)
@given(TABLES, INSTANTS)
def test_an_event_on_an_edge_belongs_to_the_window_it_opens(window: Window, at: int) -> None:
    edge = at - at % window.slide_us
    assert max(window.starts(edge)) == edge
    assert max(window.starts(edge - 1)) == edge - window.slide_us
    assert edge - window.width_us not in window.starts(edge)


@settings(max_examples=30)
@given(TABLES, INSTANTS, st.integers(min_value=1, max_value=7_200_000_000))
def test_the_windows_of_a_span_are_those_of_its_instants(window: Window, first: int, length: int) -> None:
    found = window.starts_between(first, first + length)
    assert set(window.starts(first)) | set(window.starts(first + length - 1)) <= set(found)
    assert all(start < first + length and start + window.width_us > first for start in found)


@given(INSTANTS)
def test_microseconds_survive_the_way_there_and_back(at: int) -> None:
    assert micros(instant(at)) == at


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    there = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert micros(there) == micros(datetime(2026, 3, 1, tzinfo=UTC))


def test_the_tables_that_were_asked_for_are_declared() -> None:
    minute = 60_000_000
    assert {window.delta: (window.width_us // minute, window.slide_us // minute) for window in windows().values()} == {
        "gold_transactions_10m": (10, 10),
        "gold_merchants_15m": (15, 5),
        "gold_users_1h": (60, 60),
        "gold_countries_30m": (30, 30),
        "gold_platform_1h": (60, 60),
    }


@pytest.mark.parametrize("threshold", suspicion(), ids=lambda one: one.name)
def test_every_threshold_is_on_a_measure_of_the_customers(threshold: object) -> None:
    measures = {column.name for column in windows()["users_1h"].measures}
    assert getattr(threshold, "column") in measures  # noqa: B009
