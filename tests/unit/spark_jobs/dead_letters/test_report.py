"""What people and programs are told about dead letters."""

import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from spark_jobs.dead_letters.letters import Position
from spark_jobs.dead_letters.report import counts, entries, render

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def letters(*reasons: str) -> pa.Table:
    count = len(reasons)
    return pa.table(
        {
            "topic": ["t"] * count,
            "partition": [0] * count,
            "offset": list(range(count)),
            "kafka_timestamp": [NOON] * count,
            "reason": list(reasons),
            "error": ["two\nlines"] * count,
            "date": [NOON.date()] * count,
        }
    )


def test_counts_tell_what_was_sent_again_and_what_came_back() -> None:
    sent = {Position("t", 0, 0): (Position("t", 0, 2), NOON), Position("t", 0, 1): (Position("t", 0, 9), NOON)}
    assert counts(letters("a", "a", "b"), sent) == [
        {"topic": "t", "reason": "a", "day": "2026-03-01", "letters": 2, "redriven": 2, "came_back": 1},
        {"topic": "t", "reason": "b", "day": "2026-03-01", "letters": 1, "redriven": 0, "came_back": 0},
    ]


def test_the_list_says_where_a_letter_went() -> None:
    sent = {Position("t", 0, 0): (Position("t", 0, 5), NOON), Position("t", 0, 1): (Position("t", 0, 2), NOON)}
    rows = entries(letters("a", "a", "a"), sent, {Position("t", 0, 2)})
    assert [row["redriven"] for row in rows] == ["as t/0/5", "came back as t/0/2", ""]


def test_every_letter_is_one_line_for_people() -> None:
    assert len(render(entries(letters("a", "b"), {}, set()), "table").splitlines()) == 3


def test_programs_get_the_text_as_it_is() -> None:
    rows = entries(letters("a"), {}, set())
    assert json.loads(render(rows, "json")) == rows
    assert next(csv.DictReader(io.StringIO(render(rows, "csv"))))["error"] == "two\nlines"


def test_nothing_is_said_plainly() -> None:
    assert render([], "table") == "no dead letters"
    assert json.loads(render([], "json")) == []


def test_a_position_is_read_as_it_is_printed() -> None:
    position = Position("payments.transactions", 3, 17)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "t", "t/1", "t/x/1", "t/1/-2", "/1/2"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="TOPIC/PARTITION/OFFSET"):
        Position.parse(text)
