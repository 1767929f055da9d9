"""Query parameters of the analytics endpoints at their edges."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from serving.analytics.parameters import TrendParameters, decode_cursor, encode_cursor
from serving.analytics.repository import Cursor

NOW = datetime(2026, 3, 2, 12, 34, 56, tzinfo=UTC)


def parameters(**given: object) -> TrendParameters:
    return TrendParameters.model_validate({name.rstrip("_"): value for name, value in given.items()})


def test_default_range_is_the_last_24_hours_from_a_whole_hour() -> None:
    query = parameters().query(NOW)
    assert (query.start, query.end) == (datetime(2026, 3, 1, 12, tzinfo=UTC), NOW)


def test_a_start_in_the_future_still_gives_a_range_that_runs_forward() -> None:
    query = parameters(from_="2026-05-01").query(NOW)
    assert query.start < query.end


def test_a_start_long_ago_without_end_is_cut_at_the_longest_range() -> None:
    query = parameters(from_="2020-01-01").query(NOW)
    assert query.end - query.start == timedelta(days=366)


def test_a_time_without_offset_is_utc() -> None:
    assert parameters(from_="2026-03-01T10:00:00").start == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_an_unescaped_plus_in_an_offset_is_understood() -> None:
    assert parameters(from_="2026-03-01T10:00:00 02:00").start == datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from_": "2026-03-02", "to": "2026-03-01"}, "reversed"),
        ({"from_": "2026-03-01", "to": "2026-03-01"}, "reversed or empty"),
        ({"from_": "2024-01-01", "to": "2026-03-01"}, "at most 366 days"),
        ({"from_": "9999-12-31T23:59:59-12:00"}, "between the years 2000 and 2100"),
        ({"from_": "0001-01-01T00:00:00+14:00"}, "between the years 2000 and 2100"),
        ({"from_": "yesterday"}, "valid datetime"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"limit": 10**12}, "less than or equal to 5000"),
        ({"currency": "EURO"}, "pattern"),
        ({"segment": ""}, "at least 1 character"),
        ({"segment": "a\x00b"}, "control characters"),
        ({"cursor": encode_cursor(Cursor(NOW, "\ud800"))}, "not a cursor"),
        ({"cursor": "WzEsMiwzXQ=="}, "not a cursor"),
        ({"cursor": "zz"}, "not a cursor"),
        ({"cursor": "W10="}, "not a cursor"),
        ({"cursor": "é"}, "not a cursor"),
        ({"group_by": "planet"}, "segment_and_currency"),
        ({"limits": 5}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parameters(**given)


def test_a_cursor_survives_its_journey_through_the_client() -> None:
    cursor = Cursor(datetime(2026, 3, 1, 10, tzinfo=UTC), "Café & Co", "EUR")
    assert decode_cursor(encode_cursor(cursor)) == cursor


def test_currency_is_taken_in_any_case() -> None:
    assert parameters(currency="eur").query(NOW).currency == "EUR"
