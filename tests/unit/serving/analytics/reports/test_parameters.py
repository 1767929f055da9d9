"""What may be asked of a report, and what it comes to."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.analytics.reports.catalogue import GEOGRAPHY, RETRY, SOLUTIONS
from serving.analytics.reports.composer import ReportQuery
from serving.analytics.reports.parameters import PageMark, ReportParameters, decode_mark, parameters_model
from tests.unit.serving.fakes import NOW

NEXT_HOUR = datetime(2026, 3, 2, 13, tzinfo=UTC)


def asked(**values: Any) -> ReportParameters:
    return parameters_model(SOLUTIONS)(**values)


def query(**values: Any) -> ReportQuery:
    return asked(**values).query(NOW)


def test_the_last_24_hours_by_default_with_the_current_one() -> None:
    assert (query().start, query().end) == (NEXT_HOUR - timedelta(hours=24), NEXT_HOUR)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-01T10:20:00Z", "2026-03-01T12:00:00Z", (10, 12)),
        ("2026-03-01T10:00:00Z", "2026-03-01T12:00:01Z", (10, 13)),
        ("2026-03-01T11:00:00+01:00", "2026-03-01T12:30:00+01:00", (10, 12)),
        ("2026-03-01T10:10:00Z", "2026-03-01T10:20:00Z", (10, 11)),
    ],
)
def test_a_range_is_widened_to_whole_hours(start: str, end: str, hours: tuple[int, int]) -> None:
    found = query(start=start, end=end)
    assert (found.start, found.end) == tuple(datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in hours)


def test_an_open_range_ends_now_but_is_never_too_long() -> None:
    assert query(start="2026-03-02T10:00:00Z").end == NEXT_HOUR
    long = query(start="2025-03-02T10:00:00Z")
    assert long.end - long.start == timedelta(days=90)
    future = query(start="2027-03-02T10:00:00Z")
    assert future.end - future.start == timedelta(hours=1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"start": "2026-03-02", "end": "2026-03-01"}, "reversed"),
        ({"start": "2026-03-01", "end": "2026-03-01"}, "reversed"),
        ({"start": "2025-01-01", "end": "2026-01-01"}, "at most 90 days"),
        ({"start": "yesterday"}, "ISO 8601"),
        ({"start": "1772323200"}, "ISO 8601"),
        ({"end": "2026-13-01T00:00:00Z"}, "month"),
        ({"limit": 1001}, "1000"),
        ({"limit": 0}, "1"),
        ({"limit": "many"}, "integer"),
        ({"group_by": "colour"}, "unknown dimension 'colour'; known are hour, payment_solution"),
        ({"group_by": "processor;drop table x"}, "unknown dimension"),
        ({"group_by": ""}, "unknown dimension"),
        ({"sort": "attempts desc; select 1"}, "cannot sort by"),
        ({"sort": "--attempts"}, "cannot sort by"),
        ({"sort": "card_network"}, "cannot sort by"),
        ({"processor": [""]}, "at least 1 character"),
        ({"processor": ["a" * 513]}, "at most 512 characters"),
        ({"processor": ["\0"]}, "control characters"),
        ({"processor": ["a\nb"]}, "control characters"),
        ({"processor": ["\u2028"]}, "control characters"),
        ({"processor": ["\ud800"]}, "unicode|control characters"),
        ({"processor": ["a"] * 51}, "at most 50"),
        ({"colour": "red"}, "Extra inputs"),
        ({"cursor": "abc"}, "not a cursor"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("'", ".")):
        asked(**values)


@pytest.mark.parametrize(
    "name",
    [
        "Women's Fashion",
        "Café & Bar",
        "A=B (Ltd)",
        '"x"; --',
        "x' or '1'='1",
        "%s",
        "東京",
        "می\u200cخواهم",
        "a\u00a0b",
    ],
)
def test_any_text_can_be_asked_for(name: str) -> None:
    assert query(processor=[name]).filters == {"processor": (name,)}


def test_values_have_the_type_of_their_dimension() -> None:
    assert parameters_model(GEOGRAPHY)(is_cross_border=["true", "false"]).filters == {"is_cross_border": (True, False)}
    assert parameters_model(RETRY)(attempt_number=["3"]).filters == {"attempt_number": (3,)}
    with pytest.raises(ValidationError):
        parameters_model(RETRY)(attempt_number=[str(2**31)])


def test_rows_are_sorted_by_what_matters_most_or_by_time() -> None:
    assert (query().sort, query().descending) == ("attempts", True)
    series = query(group_by="hour, processor,hour")
    assert (series.group_by, series.sort, series.descending) == (("hour", "processor"), "hour", False)
    assert query(sort="-approval_rate").sort == "approval_rate"


def test_the_next_page_reads_on_in_the_same_hours() -> None:
    first = asked(limit=10)
    mark = first.mark_after(first.query(NOW)).encode()
    later = asked(limit=7, cursor=mark).query(NOW + timedelta(hours=5))
    assert (later.start, later.end) == (query().start, query().end)
    assert (later.offset, later.limit) == (10, 8)


@pytest.mark.parametrize("change", [{"sort": "-approved"}, {"processor": ["B"]}, {"group_by": "hour"}])
def test_a_cursor_of_another_request_is_refused(change: dict[str, Any]) -> None:
    mark = asked().mark_after(query()).encode()
    with pytest.raises(ValidationError, match="another request"):
        asked(cursor=mark, **change)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["x", "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00", -1],
        ["x", "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00", 10**12],
        ["x", "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00", "1"],
        ["x", "2026-03-01T00:00:00", "2026-03-02T00:00:00", 1],
        ["x", "2020-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00", 1],
        [5, "2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00", 1],
        {"a": 1},
        None,
    ],
)
def test_a_forged_cursor_is_refused(parts: object) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        decode_mark(base64.urlsafe_b64encode(json.dumps(parts).encode()).decode())


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        assert isinstance(decode_mark(text), PageMark)
    except ValueError as error:
        assert "not a cursor" in str(error)  # noqa: PT017
