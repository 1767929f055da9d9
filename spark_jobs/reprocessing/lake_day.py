"""One day of a Delta table: its rows at one version, and their replacement in one commit beside a writer that appends.

delta-rs lets an overwrite fail as soon as anybody appended to what it read, so on today's partition it would never end.
Here the new files are written first; the commit then removes exactly the files that were read and adds the new ones.
Files that were appended meanwhile stay, and a commit that meets an update or a deletion of its files fails. It does not
notice a compaction: those are kept away by a lock, see spark_jobs.rewrites. Why so: docs/adr/0009.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.exceptions import TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction
from pyarrow.fs import PyFileSystem

from spark_jobs.lake import open_table

ROWS_PER_FILE = 1_000_000
_ROWS_AT_ONCE = 65_536
_ROWS_PER_GROUP = 131_072


def find_table(lake_uri: str, name: str) -> DeltaTable | None:
    """The table as it is now; None when nothing was ever written to it."""
    try:
        return open_table(lake_uri, name)
    except TableNotFoundError:
        return None


class LakeDay:
    """The files of one day at the version that the table had when this was made; `database` shows them as `stored`."""

    def __init__(self, database: duckdb.DuckDBPyConnection, table: DeltaTable, column: str, day: date) -> None:
        self._database = database
        self._table = table
        self._filters = [(column, "=", day.isoformat())]
        self._folder = f"{column}={day.isoformat()}"
        self._column = column
        self.schema = pa.schema(table.schema().to_arrow())
        database.register("stored", table.to_pyarrow_dataset(file_pruning_predicate=self._filters))

    def replace(self, query: str, purpose: str) -> None:
        """Let the rows of a query stand where the rows at hand stood.

        Raises CommitFailedError when others changed one of the files meanwhile: look again then.
        """
        added: list[AddAction | RemoveAction] = [*self._write(query)]
        self._table.create_write_transaction(
            added,
            "overwrite",
            self._table.schema(),
            [self._column],
            self._filters,
            commit_properties=CommitProperties(custom_metadata={"purpose": purpose}),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )

    def _write(self, query: str) -> Iterator[AddAction]:
        """Write the rows of the query to new files of the day."""
        schema = pa.schema([field for field in self.schema if field.name != self._column])
        columns = ", ".join(f'"{name}"' for name in schema.names)
        rows = self._database.execute(f"select {columns} from ({query})").to_arrow_reader(_ROWS_AT_ONCE)
        files = PyFileSystem(DeltaStorageHandler.from_table(self._table._table))
        files.create_dir(self._folder, recursive=True)
        for piece in _pieces(rows):
            path = f"{self._folder}/part-{uuid.uuid4()}.zstd.parquet"
            with pq.ParquetWriter(path, schema, filesystem=files, compression="zstd", compression_level=1) as writer:
                for batch in piece:
                    writer.write_table(pa.Table.from_batches([batch]).cast(schema), row_group_size=_ROWS_PER_GROUP)
            yield self._added(path, files)

    def _added(self, path: str, files: PyFileSystem) -> AddAction:
        size = files.get_file_info(path).size
        day = {self._column: self._filters[0][2]}
        now = int(datetime.now(UTC).timestamp() * 1000)
        return AddAction(path, size, day, now, True, json.dumps(_statistics(pq.read_metadata(path, filesystem=files))))


def _pieces(rows: pa.RecordBatchReader) -> Iterator[Iterator[pa.RecordBatch]]:
    """Batches in runs of about ROWS_PER_FILE rows; each run is to be used up before the next."""
    batches = (batch for batch in rows if batch.num_rows)
    for first in batches:

        def piece(first: pa.RecordBatch = first) -> Iterator[pa.RecordBatch]:
            yield first
            written = first.num_rows
            while written < ROWS_PER_FILE and (batch := next(batches, None)) is not None:
                written += batch.num_rows
                yield batch

        yield piece()


def _statistics(footer: pq.FileMetaData) -> dict[str, object]:
    """Rows, and the span of event time by which readers skip files: in whole milliseconds, rounded outwards."""
    statistics: dict[str, object] = {"numRecords": footer.num_rows}
    if "event_timestamp" in footer.schema.names:
        at = footer.schema.names.index("event_timestamp")
        spans = [footer.row_group(group).column(at).statistics for group in range(footer.num_row_groups)]
        statistics["minValues"] = {"event_timestamp": _milliseconds(min(span.min for span in spans), 0)}
        statistics["maxValues"] = {"event_timestamp": _milliseconds(max(span.max for span in spans), 1)}
    return statistics


def _milliseconds(at: datetime, more: int) -> str:
    milliseconds = int(at.timestamp() * 1000) + more
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
