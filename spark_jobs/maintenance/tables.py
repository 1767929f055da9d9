"""The tables of a lake, and the data files each consists of now."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties
from deltalake.exceptions import CommitFailedError
from deltalake.fs import DeltaStorageHandler

from domain.lake import TableKeeping, keeping
from spark_jobs.lake import has_table, open_table, table_uri
from spark_jobs.object_store import storage_options

LOG_FOLDER = "_delta_log"
WRITER = WriterProperties(compression="ZSTD", compression_level=3, max_row_group_size=131_072)
HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
"""Maintenance cleans the log itself, see vacuum.py."""

_ATTEMPTS = 8

Result = TypeVar("Result")


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a table."""

    path: str
    size: int
    rows: int
    written_at: datetime
    day: date | None
    """None in a table that is not partitioned by a date."""


@dataclass(frozen=True)
class KeptTable:
    """A Delta table and the rules by which it is kept."""

    name: str
    lake_uri: str
    rules: TableKeeping

    @property
    def uri(self) -> str:
        """Where the table lies."""
        return table_uri(self.lake_uri, self.name)

    def open(self) -> DeltaTable:
        """The table as it is now."""
        return open_table(self.lake_uri, self.name)

    def commit(self, change: Callable[[DeltaTable], Result]) -> Result:
        """Make a change, each time to the table as it is now, until no other writer has changed the same files.

        Raises CommitFailedError when others were faster every time.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return change(self.open())
            except CommitFailedError:
                continue
        return change(self.open())


def folder(uri: str) -> pafs.FileSystem:
    """A folder, made if need be, or a bucket prefix, by the same means and credentials as the tables themselves."""
    if "://" not in uri:
        Path(uri).mkdir(parents=True, exist_ok=True)
    return pafs.PyFileSystem(DeltaStorageHandler(uri, storage_options(uri)))


def tables(lake_uri: str) -> list[KeptTable]:
    """Every Delta table directly below the lake, by name."""
    lake = folder(lake_uri)
    names = [entry.base_name for entry in lake.get_file_info(pafs.FileSelector("", allow_not_found=True))]
    return [KeptTable(name, lake_uri, keeping(name)) for name in sorted(names) if has_table(lake_uri, name)]


def day_column(table: DeltaTable) -> str | None:
    """The date that the table is partitioned by, if it is."""
    columns = table.metadata().partition_columns
    if len(columns) != 1:
        return None
    kind = next(field.type for field in table.schema().fields if field.name == columns[0])
    return columns[0] if str(kind) == 'PrimitiveType("date")' else None


def data_files(table: DeltaTable) -> list[DataFile]:
    """The files that make the table up now, oldest first."""
    actions = pa.table(table.get_add_actions(flatten=True))
    column = day_column(table)
    days = actions.column(f"partition.{column}").to_pylist() if column else [None] * actions.num_rows
    rows = zip(
        actions.column("path").to_pylist(),
        actions.column("size_bytes").to_pylist(),
        actions.column("num_records").to_pylist(),
        actions.column("modification_time").to_pylist(),
        days,
        strict=True,
    )
    found = [DataFile(path, size, count or 0, _instant(at), day) for path, size, count, at, day in rows]
    return sorted(found, key=lambda file: file.written_at)


def by_day(files: list[DataFile]) -> dict[date | None, list[DataFile]]:
    """The files of each day, oldest day first; order within a day is kept."""
    days: dict[date | None, list[DataFile]] = {}
    for file in sorted(files, key=lambda file: (file.day or date.min, file.written_at)):
        days.setdefault(file.day, []).append(file)
    return days


def has_expired(rules: TableKeeping, day: date | None, files: list[DataFile], now: datetime) -> bool:
    """Whether a day is past its retention, and so is the newest file of it: history that was loaded of late stays."""
    first = rules.first_day_kept(now)
    return day is not None and first is not None and day < first and files[-1].written_at.date() < first


def _instant(at: int | datetime) -> datetime:
    if isinstance(at, datetime):
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return datetime.fromtimestamp(at / 1000, UTC)
