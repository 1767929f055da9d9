"""A day of a Delta table is exchanged in one commit, whatever others do to the table meanwhile."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from spark_jobs import lake_files
from spark_jobs.reprocessing import lake_day
from spark_jobs.reprocessing.lake_day import LakeDay

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)


def rows(first: int, last: int, day: date = DAY) -> pa.Table:
    begins_at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return pa.table(
        {
            "number": pa.array(range(first, last), pa.int64()),
            "event_timestamp": pa.array(
                [begins_at + timedelta(seconds=number) for number in range(first, last)], pa.timestamp("us", "UTC")
            ),
            "event_date": pa.array([day] * (last - first), pa.date32()),
        }
    )


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """Two appends to one day, one to the next."""
    uri = str(tmp_path / "table")
    DeltaTable.create(uri, rows(0, 1).schema, partition_by=["event_date"])
    for batch, added in enumerate([rows(0, 5), rows(5, 10), rows(10, 15, NEXT)]):
        append(uri, added, batch)
    return uri


def append(uri: str, added: pa.Table, batch: int) -> None:
    transaction = CommitProperties(app_transactions=[Transaction("stream", batch)])
    write_deltalake(uri, added, mode="append", commit_properties=transaction)


def opened(uri: str) -> LakeDay:
    return LakeDay(duckdb.connect(), DeltaTable(uri), "event_date", DAY)


def numbers(uri: str) -> list[int]:
    return sorted(DeltaTable(uri).to_pyarrow_table().column("number").to_pylist())


def test_only_the_rows_that_were_read_are_replaced(uri: str) -> None:
    day = opened(uri)
    append(uri, rows(20, 22), 3)
    day.replace("from stored where number % 2 = 0", "test")
    assert numbers(uri) == [0, 2, 4, 6, 8, 10, 11, 12, 13, 14, 20, 21]
    assert DeltaTable(uri).transaction_version("stream") == 3


def test_the_commit_removes_and_adds_at_once(uri: str) -> None:
    before = DeltaTable(uri).version()
    opened(uri).replace("from stored where number < 3", "test")
    assert DeltaTable(uri).version() == before + 1
    travelled = DeltaTable(uri, version=before)
    assert travelled.to_pyarrow_table().num_rows == 15


def test_a_row_that_others_changed_meanwhile_is_no_victim(uri: str) -> None:
    day = opened(uri)
    DeltaTable(uri).update(updates={"number": "100"}, predicate="number = 3")
    with pytest.raises(CommitFailedError):
        day.replace("from stored", "test")
    assert 100 in numbers(uri)


def test_a_day_may_become_empty(uri: str) -> None:
    opened(uri).replace("from stored where false", "test")
    assert numbers(uri) == [10, 11, 12, 13, 14]


def test_readers_may_skip_the_new_files_by_event_time(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_files, "ROWS_PER_FILE", 4)
    monkeypatch.setattr(lake_day, "_ROWS_AT_ONCE", 2)
    opened(uri).replace("from stored order by event_timestamp", "test")
    assert numbers(uri) == list(range(15))
    log = max((Path(uri) / "_delta_log").glob("*.json")).read_text().splitlines()
    spans = [json.loads(json.loads(line)["add"]["stats"]) for line in log if '"add"' in line]
    assert sum(span["numRecords"] for span in spans) == 10
    for span in spans:
        low, high = (span[side]["event_timestamp"] for side in ("minValues", "maxValues"))
        assert low < high
    late = "2026-03-01T00:00:08"
    found = (
        DeltaTable(uri)
        .to_pyarrow_dataset()
        .to_table(filter=pa.compute.field("event_timestamp") >= datetime.fromisoformat(f"{late}+00:00"))
    )
    assert sorted(found.column("number").to_pylist()) == [8, 9, 10, 11, 12, 13, 14]
