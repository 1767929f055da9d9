"""A lake of its own for each test, beside the shared Postgres."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from local.platform import Platform
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.maintenance.settings import MaintenanceSettings

TABLE = "transactions_silver"
STREAM = "a-stream"
TODAY = datetime.now(UTC).date()


def purchases(numbers: list[int], day: date) -> pa.Table:
    """Rows as Silver has them, cut down to the columns that matter here."""
    at = datetime.combine(day, datetime.min.time(), UTC)
    return pa.table(
        {
            "n": pa.array(numbers, pa.int64()),
            "user_id": pa.array([n * 7919 % 1000 for n in numbers], pa.int32()),
            "event_timestamp": pa.array([at] * len(numbers), pa.timestamp("us", "UTC")),
            "event_date": pa.array([day] * len(numbers), pa.date32()),
        }
    )


def stored(lake: Path, table: str = TABLE, version: int | None = None) -> list[int]:
    """The numbers of all rows, sorted: a lost row and a doubled one both show."""
    return sorted(
        DeltaTable(str(lake / table), version=version).to_pyarrow_table(columns=["n"]).column("n").to_pylist()
    )


Fill = Callable[..., list[int]]


@pytest.fixture
def settings(platform: Platform, tmp_path: Path) -> MaintenanceSettings:
    platform.start("postgres", "migrate")
    return MaintenanceSettings(
        DATABASE_URL=platform.site.database_url("stream"),
        LAKE_URI=str(tmp_path / "lake"),
        ARCHIVE_URI=str(tmp_path / "archive"),
    )


@pytest.fixture
def fill(settings: MaintenanceSettings) -> Fill:
    """Append batches of one row each to a day of a table, as the stream does; returns their numbers."""

    def append(day: date, first: int, count: int, table: str = TABLE) -> list[int]:
        lake = Lake(settings.lake_uri)
        for number in range(first, first + count):
            lake.append(table, purchases([number], day), BatchIdentity(STREAM, number), "event_date")
        return list(range(first, first + count))

    return append
