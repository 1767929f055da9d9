"""New values for stored rows of a Delta table, beside a stream that appends to it all the time.

A merge of delta-rs fails as soon as anybody appended what its condition might have matched; beside a batch a second it
would never end. What is corrected here is known by its key, and an append brings new keys: so the files that hold the
keys are rewritten, and one commit exchanges them, however much was added meanwhile. Why so: docs/adr/0014.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from spark_jobs.lake_files import file_schema, write_files

AT = "event_timestamp"
_ATTEMPTS = 30
_ROWS_AT_ONCE = 32_768


class FilesChanged(RuntimeError):
    """Others rewrote the same files meanwhile: open the table and repeat."""


@dataclass(frozen=True)
class Correction:
    """Rows of one day with the values that their stored twins shall have.

    `rows` has the columns of `key`, texts and instants, among them event_timestamp, and those of `columns`.
    """

    rows: pa.Table
    day: date
    key: Sequence[str]
    columns: Sequence[str]
    partition_by: str = "event_date"


def correct(table: DeltaTable, correction: Correction) -> pa.BooleanArray:
    """Give stored rows their new values, and tell which of the correction's rows were found.

    Raises FilesChanged when others rewrote the files after the table was opened.
    """
    rewrite = _Rewrite(table, correction)
    removed = list(rewrite.files())
    if removed:
        _exchange(table, correction, removed, list(rewrite.corrected(removed)))
    return pa.array(rewrite.found)


class _Rewrite:
    """Which files hold the rows, and what stands in their place."""

    def __init__(self, table: DeltaTable, correction: Correction) -> None:
        self._table = table
        self._wanted = correction
        self._marks = _marks(correction.rows, correction.key)
        self._data = table.to_pyarrow_dataset(
            file_pruning_predicate=[(correction.partition_by, "=", correction.day.isoformat())]
        )
        self._columns = file_schema(self._data.schema, correction.partition_by)
        self.found = [False] * correction.rows.num_rows

    def files(self) -> Iterator[ds.ParquetFileFragment]:
        """The files that hold one of the keys; those whose statistics exclude them are not read."""
        span = pc.min_max(self._wanted.rows.column(AT))
        within = (ds.field(AT) >= span["min"]) & (ds.field(AT) <= span["max"])
        for file in self._data.get_fragments(filter=within):
            keys = file.to_table(
                schema=self._data.schema, columns=list(self._wanted.key), filter=within, use_threads=False
            )
            if pc.any(pc.is_in(_marks(keys, self._wanted.key), value_set=self._marks)).as_py():
                yield file

    def corrected(self, files: Sequence[ds.ParquetFileFragment]) -> Iterator[AddAction]:
        """New files with all rows of these."""
        rows = (self._apply(batch) for file in files for batch in self._batches(file))
        yield from write_files(self._table, self._wanted.partition_by, self._wanted.day, self._columns, rows)

    def _batches(self, file: ds.ParquetFileFragment) -> Iterator[pa.RecordBatch]:
        yield from file.to_batches(
            schema=self._data.schema,
            columns=self._columns.names,
            batch_size=_ROWS_AT_ONCE,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        )

    def _apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        places = pc.index_in(_marks(pa.Table.from_batches([batch]), self._wanted.key), value_set=self._marks)
        for place in places.drop_null().to_pylist():
            self.found[place] = True
        columns = {name: batch.column(name) for name in self._columns.names}
        for name in self._wanted.columns:
            new = self._wanted.rows.column(name).combine_chunks().take(pc.fill_null(places, 0))
            columns[name] = pc.if_else(places.is_valid(), new.cast(columns[name].type), columns[name])
        return pa.RecordBatch.from_pydict(columns)


def _exchange(
    table: DeltaTable,
    correction: Correction,
    removed: Sequence[ds.ParquetFileFragment],
    added: Sequence[AddAction],
) -> None:
    """Commit the exchange right after a version that still has all the files.

    One attempt a version: delta-rs by itself would not notice that a compaction took a file away.
    """
    day: dict[str, str | None] = {correction.partition_by: correction.day.isoformat()}
    now = int(time.time() * 1000)
    sizes = _sizes(table)
    paths = [file.path for file in removed]
    gone = [RemoveAction(path, True, now, size=sizes[path], partition_values=day) for path in paths]
    for _ in range(_ATTEMPTS):
        try:
            table.create_write_transaction(
                [*gone, *added],
                "append",
                table.schema(),
                [correction.partition_by],
                commit_properties=CommitProperties(custom_metadata={"purpose": "correction"}, max_commit_retries=0),
                post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
            )
            table.update_incremental()
            return
        except CommitFailedError:
            table.update_incremental()
            if not _sizes(table).keys() >= set(paths):
                break
    raise FilesChanged(f"files of {correction.day.isoformat()} were changed by others meanwhile")


def _sizes(table: DeltaTable) -> dict[str, int]:
    """Bytes of each file of the table, by path."""
    files = pa.table(table.get_add_actions(flatten=True))
    return dict(zip(files.column("path").to_pylist(), files.column("size_bytes").to_pylist(), strict=True))


def _marks(rows: pa.Table, key: Sequence[str]) -> pa.Array:
    """The key of each row as one text."""
    parts = [_text(rows.column(name).combine_chunks()) for name in key]
    return pc.binary_join_element_wise(*parts, "\x1f")


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return column.cast(pa.string())
