"""Data files for a Delta table, written before the commit that adds them."""

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction
from pyarrow.fs import PyFileSystem

ROWS_PER_FILE = 1_000_000
_ROWS_PER_GROUP = 131_072


def file_schema(schema: pa.Schema, column: str) -> pa.Schema:
    """The columns that stand in the files of a table partitioned by `column`."""
    return pa.schema([field for field in schema if field.name != column])


def write_files(
    table: DeltaTable, column: str, day: date, schema: pa.Schema, rows: Iterable[pa.RecordBatch]
) -> Iterator[AddAction]:
    """Write rows of one day to new files, with the statistics of event time by which readers skip files."""
    files = PyFileSystem(DeltaStorageHandler.from_table(table._table))
    folder = f"{column}={day.isoformat()}"
    files.create_dir(folder, recursive=True)
    for piece in _pieces(rows):
        path = f"{folder}/part-{uuid.uuid4()}.zstd.parquet"
        with pq.ParquetWriter(path, schema, filesystem=files, compression="zstd", compression_level=1) as writer:
            for batch in piece:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema), row_group_size=_ROWS_PER_GROUP)
        now = int(datetime.now(UTC).timestamp() * 1000)
        statistics = json.dumps(_statistics(pq.read_metadata(path, filesystem=files)))
        yield AddAction(path, files.get_file_info(path).size, {column: day.isoformat()}, now, True, statistics)


def _pieces(rows: Iterable[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
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
    """Rows, and the span of event time: in whole milliseconds, rounded outwards."""
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
