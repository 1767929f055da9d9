"""What of a table's log is news."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.windows.silver import COLUMNS, TABLE, SilverTable

TYPES = {
    "event_timestamp": pa.timestamp("us", "UTC"),
    "user_id": pa.int32(),
    "amount": pa.float64(),
    "is_fraud": pa.bool_(),
}
DAYS = date(2026, 3, 1), date(2026, 3, 2)


def rows(*users: int, day: date = DAYS[0]) -> pa.Table:
    columns = {name: pa.nulls(len(users), TYPES.get(name, pa.string())) for name in COLUMNS}
    columns |= {"user_id": pa.array(users, pa.int32()), "event_date": pa.array([day] * len(users), pa.date32())}
    return pa.table(columns)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    lake.append(TABLE, rows(1, 2), BatchIdentity("s", 0), "event_date")
    lake.append(TABLE, rows(3, day=DAYS[1]), BatchIdentity("s", 1), "event_date")
    return lake


@pytest.fixture
def silver(lake: Lake) -> SilverTable:
    table = SilverTable(lake.uri)
    assert table.refresh()
    return table


def users(silver: SilverTable, after: int) -> list[int]:
    changes = silver.changes(after)
    assert changes
    return [user for _, lot in silver.read(changes.files) for user in lot.column("user_id").to_pylist()]


def test_a_table_that_does_not_exist_yet_is_no_error(tmp_path: Path) -> None:
    assert not SilverTable(str(tmp_path)).refresh()


def test_each_appended_row_is_news_once(silver: SilverTable) -> None:
    assert users(silver, after=0) == [1, 2, 3]
    assert users(silver, after=1) == [3]
    assert users(silver, after=2) == []


def test_a_compaction_is_no_news(lake: Lake, silver: SilverTable) -> None:
    lake.append(TABLE, rows(4), BatchIdentity("s", 2), "event_date")
    DeltaTable(f"{lake.uri}/{TABLE}").optimize.compact()
    silver.refresh()
    changes = silver.changes(2)
    assert changes
    assert changes.version == silver.version == 4
    assert not changes.rewritten_days
    assert users(silver, after=2) == [4]


def test_rows_that_go_make_their_day_a_rewritten_one(lake: Lake, silver: SilverTable) -> None:
    DeltaTable(f"{lake.uri}/{TABLE}").delete("user_id = 1")
    silver.refresh()
    changes = silver.changes(2)
    assert changes
    assert changes.rewritten_days == {DAYS[0]}


def test_a_day_that_left_the_table_is_no_rewritten_one(lake: Lake, silver: SilverTable) -> None:
    DeltaTable(f"{lake.uri}/{TABLE}").delete("event_date = cast('2026-03-01' as date)")
    silver.refresh()
    changes = silver.changes(2)
    assert changes
    assert not changes.rewritten_days


def test_changes_end_at_a_commit_once_there_are_enough_rows(silver: SilverTable) -> None:
    changes = silver.changes(0, most_rows=1)
    assert changes
    assert (changes.version, [file.rows for file in changes.files]) == (1, [2])


def test_a_log_that_is_gone_is_told(lake: Lake, silver: SilverTable) -> None:
    Path(lake.uri, TABLE, "_delta_log", f"{1:020}.json").unlink()
    assert silver.changes(0) is None
    assert silver.changes(1) is not None


def test_a_column_that_an_old_file_lacks_is_null(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.append(TABLE, rows(1).drop_columns(["country"]), BatchIdentity("s", 0), "event_date")
    lake.append(TABLE, rows(2), BatchIdentity("s", 1), "event_date")
    table = SilverTable(str(tmp_path))
    table.refresh()
    changes = table.changes(0)
    assert changes
    assert [lot.column("country").to_pylist() for _, lot in table.read(changes.files)] == [[None], [None]]
