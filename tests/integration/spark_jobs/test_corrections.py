"""Stored rows of a Delta table get new values while others append to it, and never when others rewrote the files."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from spark_jobs import corrections
from spark_jobs.corrections import Correction, FilesChanged, correct

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
TAGS = pa.list_(pa.string())


def instant(number: int, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=number, microseconds=number)


def rows(first: int, last: int, day: date = DAY) -> pa.Table:
    numbers = range(first, last)
    return pa.table(
        {
            "name": pa.array([f"n{number}" for number in numbers]),
            "event_timestamp": pa.array([instant(number, day) for number in numbers], pa.timestamp("us", "UTC")),
            "value": pa.array(list(numbers), pa.int64()),
            "tags": pa.array([["old"] for _ in numbers], TAGS),
            "event_date": pa.array([day] * len(numbers), pa.date32()),
        }
    )


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Three files of one day that overlap in time, and one of the next day."""
    uri = str(tmp_path / "table")
    for added in (
        rows(0, 10),
        rows(10, 20),
        rows(5, 25).set_column(0, "name", pa.array(["x"] * 20)),
        rows(0, 5, NEXT).set_column(0, "name", pa.array(["y"] * 5)),
    ):
        write_deltalake(uri, added, mode="append", partition_by=["event_date"])
    return uri


def correction(*numbers: int) -> Correction:
    new = pa.table(
        {
            "name": pa.array([f"n{number}" for number in numbers]),
            "event_timestamp": pa.array([instant(number) for number in numbers], pa.timestamp("us", "UTC")),
            "value": pa.array([-number for number in numbers], pa.int32()),
            "tags": pa.array([["new", str(number)] for number in numbers], TAGS),
        }
    )
    return Correction(new, DAY, ("name", "event_timestamp"), ("value", "tags"))


def stored(uri: str) -> list[tuple[str, int, list[str]]]:
    found = DeltaTable(uri).to_pyarrow_table().sort_by([("event_date", "ascending"), ("value", "ascending")])
    return sorted(zip(*(found.column(name).to_pylist() for name in ("name", "value", "tags")), strict=True), key=str)


def expected(before: list[tuple[str, int, list[str]]], *numbers: int) -> list[tuple[str, int, list[str]]]:
    wanted = {f"n{number}" for number in numbers}
    after = [
        (name, -value, ["new", str(value)]) if name in wanted else (name, value, tags) for name, value, tags in before
    ]
    return sorted(after, key=str)


def test_rows_get_their_new_values_and_all_others_stay(uri: str) -> None:
    before = stored(uri)
    table = DeltaTable(uri)
    assert correct(table, correction(12, 3, 99)).to_pylist() == [True, True, False]
    assert stored(uri) == expected(before, 12, 3)
    assert correct(table, correction(12)).to_pylist() == [True], "the table that was given goes on being of use"


def test_only_files_that_hold_a_key_are_rewritten(uri: str) -> None:
    before = set(DeltaTable(uri).file_uris())
    correct(DeltaTable(uri), correction(12))
    after = set(DeltaTable(uri).file_uris())
    assert (len(before - after), len(after - before)) == (1, 1)


def test_nothing_is_committed_when_no_row_is_found(uri: str) -> None:
    version = DeltaTable(uri).version()
    assert correct(DeltaTable(uri), correction(77)).to_pylist() == [False]
    assert DeltaTable(uri).version() == version


def test_rows_that_others_append_meanwhile_stay(uri: str) -> None:
    table, before = DeltaTable(uri), stored(uri)
    for first in (30, 40):
        write_deltalake(uri, rows(first, first + 10), mode="append")
    correct(table, correction(12))
    added = [(f"n{number}", number, ["old"]) for number in range(30, 50)]
    assert stored(uri) == sorted(expected(before, 12) + added, key=str)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda table: table.optimize.compact(),
        lambda table: table.delete("name = 'n12'"),
        lambda table: table.update(updates={"value": "1000"}, predicate="name = 'n11'"),
    ],
    ids=["compacted", "deleted", "updated"],
)
def test_files_that_others_rewrote_are_left_alone(uri: str, rewrite: Callable[[DeltaTable], object]) -> None:
    table = DeltaTable(uri)
    rewrite(DeltaTable(uri))
    before = stored(uri)
    with pytest.raises(FilesChanged):
        correct(table, correction(12))
    assert stored(uri) == before


def test_files_without_a_column_that_came_later_are_rewritten_with_it(uri: str) -> None:
    newer = rows(60, 62).append_column("extra", pa.array(["a", "b"]))
    write_deltalake(uri, newer, mode="append", schema_mode="merge")
    correct(DeltaTable(uri), correction(12, 60))
    found = {row["name"]: row for row in DeltaTable(uri).to_pyarrow_table().to_pylist()}
    assert (found["n12"]["value"], found["n12"]["extra"]) == (-12, None)
    assert (found["n60"]["value"], found["n60"]["extra"]) == (-60, "a")


def test_many_rows_at_once_come_in_several_batches(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "_ROWS_AT_ONCE", 3)
    assert all(correct(DeltaTable(uri), correction(*range(20))).to_pylist())
    found = [row["value"] for row in DeltaTable(uri).to_pyarrow_table().to_pylist() if row["tags"][0] == "new"]
    assert sorted(found) == sorted(-number for number in range(20))
