"""Silver's purchases as the windows read them: what is new since a version, and what lies in a span of time.

Only the log and the files of the table are read, by delta-rs. Rewrites that change no data (compaction, clustering) are
passed over.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pa_fs
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from spark_jobs.lake import open_table, table_uri

TABLE = "transactions_silver"
PARTITION = "event_date"
COLUMNS = ["event_timestamp", "merchant", "payment_method", "country", "user_id", "device_id", "amount", "is_fraud"]


@dataclass(frozen=True)
class NewFile:
    """A file that a commit added, relative to the table."""

    version: int
    path: str
    rows: int


@dataclass(frozen=True)
class Changes:
    """What happened between two versions."""

    version: int
    """The version they lead up to."""
    files: Sequence[NewFile] = ()
    added_days: frozenset[date] = frozenset()
    """The days that got rows."""
    rewritten_days: frozenset[date] = frozenset()
    """The days that lost rows, and still hold some."""


@dataclass
class _Seen:
    files: list[NewFile] = field(default_factory=list)
    added: set[date] = field(default_factory=set)
    removed: set[date] = field(default_factory=set)
    rows: int = 0


class SilverTable:
    """The table as of one version; `refresh` moves on to the newest."""

    def __init__(self, lake_uri: str, name: str = TABLE, columns: Sequence[str] = COLUMNS) -> None:
        """`columns` are those that are read."""
        self._columns = list(columns)
        self._lake_uri = lake_uri
        self._name = name
        self._table: DeltaTable | None = None

    def refresh(self) -> bool:
        """Look for the newest version; False while the table does not exist."""
        try:
            # Loaded anew: a table that was dropped and made again would go unnoticed otherwise.
            self._table = open_table(self._lake_uri, self._name)
        except TableNotFoundError:
            self._table = None
        return self._table is not None

    @property
    def id(self) -> str:
        """What tells this table from another one of the same name."""
        return str(self._opened.metadata().id)

    @property
    def version(self) -> int:
        return int(self._opened.version())

    def days(self) -> set[date]:
        """The days that hold rows."""
        return {date.fromisoformat(row[PARTITION]) for row in self._opened.partitions()}

    def rows_of(self, day: date) -> int:
        """How many rows a day holds, by the log."""
        actions = pa.table(self._opened.get_add_actions(flatten=True)).select([f"partition.{PARTITION}", "num_records"])
        of_day = actions.filter(pc.equal(actions.column(0).cast(pa.string()), day.isoformat()))
        return int(pc.sum(of_day.column(1)).as_py() or 0)

    def changes(self, after: int, most_rows: int | None = None) -> Changes | None:
        """What came after a version, ending early at a commit once there are `most_rows`.

        None when the log of that time is gone: nobody can say any more what was new.
        """
        files = self._files()
        seen, version = _Seen(), after
        while version < self.version and (most_rows is None or seen.rows < most_rows):
            version += 1
            try:
                with files.open_input_file(f"_delta_log/{version:020}.json") as commit:
                    _note(seen, version, commit.read().decode())
            except FileNotFoundError:
                return None
        left = self.days() if seen.removed else set()
        return Changes(version, seen.files, frozenset(seen.added), frozenset(seen.removed & left))

    def read(self, files: Sequence[NewFile]) -> Iterator[tuple[int, pa.Table]]:
        """The rows of new files, with the version that added them. Raises FileNotFoundError when they were vacuumed."""
        storage = self._files()
        for file in files:
            rows = ds.dataset(file.path, format="parquet", filesystem=storage, schema=self._schema())
            yield file.version, rows.to_table(columns=self._columns, use_threads=False)

    def batches(self, files: Sequence[NewFile], most_rows: int) -> Iterator[pa.Table]:
        """The rows of new files, so many at a time. Raises FileNotFoundError when they were vacuumed."""
        storage = self._files()
        for file in files:
            rows = ds.dataset(file.path, format="parquet", filesystem=storage, schema=self._schema())
            for batch in rows.to_batches(columns=self._columns, batch_size=most_rows, use_threads=False):
                yield pa.Table.from_batches([batch])

    def scan(self, first: datetime | None = None, end: datetime | None = None) -> pa.RecordBatchReader:
        """All rows with an event time in [first, end), a little at a time."""
        at, day = ds.field("event_timestamp"), ds.field(PARTITION)
        wanted = pc.is_valid(at)
        if first:
            wanted = wanted & (at >= pa.scalar(first, pa.timestamp("us", "UTC"))) & (day >= first.date())
        if end:
            wanted = wanted & (at < pa.scalar(end, pa.timestamp("us", "UTC"))) & (day <= end.date())
        return (
            self._opened.to_pyarrow_dataset()
            .scanner(
                columns=self._columns,
                filter=wanted,
                use_threads=False,
                batch_size=32_768,
                batch_readahead=2,
                fragment_readahead=1,
            )
            .to_reader()
        )

    def newest_event(self) -> datetime | None:
        """The newest event time; None while there are no rows."""
        days = self.days()
        if not days:
            return None
        last = max(days)
        rows = self._opened.to_pyarrow_dataset().scanner(
            columns=["event_timestamp"], filter=ds.field(PARTITION) == last, use_threads=False
        )
        newest: datetime | None = None
        for batch in rows.to_batches():
            found = pc.max(batch.column(0)).as_py()
            newest = max(filter(None, (newest, found)), default=None)
        return newest

    @property
    def _opened(self) -> DeltaTable:
        if self._table is None:
            raise TableNotFoundError(f"{table_uri(self._lake_uri, self._name)} does not exist yet: start the stream")
        return self._table

    def _files(self) -> pa_fs.PyFileSystem:
        return pa_fs.PyFileSystem(DeltaStorageHandler.from_table(self._opened._table))

    def _schema(self) -> pa.Schema:
        known = pa.schema(self._opened.schema().to_arrow())
        return pa.schema([known.field(name) for name in self._columns])


def _note(seen: _Seen, version: int, commit: str) -> None:
    for line in commit.splitlines():
        action: dict[str, Any] = json.loads(line)
        if (added := action.get("add")) and added["dataChange"]:
            rows = int(json.loads(added.get("stats") or "{}").get("numRecords", 0))
            seen.files.append(NewFile(version, unquote(added["path"]), rows))
            seen.rows += rows
            seen.added.add(_day(added["partitionValues"]))
        if (removed := action.get("remove")) and removed["dataChange"]:
            seen.removed.add(_day(removed.get("partitionValues") or {}, removed["path"]))


def _day(values: dict[str, str], path: str = "") -> date:
    """The partition of a file; a remove action may leave it to the path."""
    text = values.get(PARTITION) or unquote(path).split(f"{PARTITION}=")[-1].split("/")[0]
    return date.fromisoformat(text)
