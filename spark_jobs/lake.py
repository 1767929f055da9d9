"""Exactly-once appends of Arrow tables to the Delta lake.

Each commit carries the stream's identity and batch id as a Delta application transaction; a batch that a table already
holds is skipped. Why delta-rs and not Spark's writer: docs/adr/0002.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from spark_jobs.object_store import storage_options

_CONFIGURATION: Mapping[str, str | None] = {
    "delta.checkpointInterval": "100",
    "delta.dataSkippingNumIndexedCols": "8",
}
_ATTEMPTS = 20
_ASLEEP_SECONDS = 600.0
"""After this, maintenance may have cleaned away the part of the log that an opened table ends in."""
_REOPEN_AFTER = 100
"""Appends; an opened table remembers each commit that it saw, and every append goes through them all."""
_WRITER = WriterProperties(compression="ZSTD", compression_level=1)


def table_uri(lake_uri: str, name: str) -> str:
    """Where a table of the lake lies."""
    return f"{lake_uri.rstrip('/')}/{name}"


def open_table(lake_uri: str, name: str) -> DeltaTable:
    """A table as it is now, in a folder or in an object store. Raises TableNotFoundError when there is none yet."""
    return DeltaTable(table_uri(lake_uri, name), storage_options=storage_options(lake_uri))


def has_table(lake_uri: str, name: str) -> bool:
    """Whether there is such a table."""
    return bool(DeltaTable.is_deltatable(table_uri(lake_uri, name), storage_options(lake_uri)))


@dataclass(frozen=True)
class BatchIdentity:
    """Which batch of which stream this is. A stream is named by its checkpoint, so a new checkpoint is a new stream."""

    stream: str
    batch_id: int


@dataclass
class Lake:
    """Delta tables below one folder or bucket prefix."""

    uri: str
    _tables: dict[str, DeltaTable] = field(default_factory=dict)
    _used_at: dict[str, float] = field(default_factory=dict)
    _appends: Counter[str] = field(default_factory=Counter)

    def append(self, name: str, rows: pa.Table, identity: BatchIdentity, partition_by: str) -> None:
        """Append rows to a table unless it already holds this batch. The table is made by its first rows."""
        if rows.num_rows == 0:
            return
        table = self._open(name, rows.schema, partition_by)
        self._appends[name] += 1
        for attempt in range(_ATTEMPTS):
            held = table.transaction_version(identity.stream)
            if held is not None and held >= identity.batch_id:
                return
            try:
                _append(table, rows, identity)
                return
            except CommitFailedError:
                # Others rewrite files of the table: compaction, revised scores, reprocessing. Look again and repeat.
                if attempt == _ATTEMPTS - 1:
                    raise
                table.update_incremental()

    def ensure(self, name: str, schema: pa.Schema, partition_by: str) -> DeltaTable:
        """The table as this lake makes it, whether it was there before or not."""
        return self._open(name, schema, partition_by)

    def _open(self, name: str, schema: pa.Schema, partition_by: str) -> DeltaTable:
        if name not in self._tables or self._is_old(name):
            self._appends[name] = 0
            try:
                self._tables[name] = open_table(self.uri, name)
            except TableNotFoundError:
                self._tables[name] = DeltaTable.create(
                    table_uri(self.uri, name),
                    schema,
                    mode="ignore",
                    partition_by=[partition_by],
                    name=name,
                    configuration=_CONFIGURATION,
                    storage_options=storage_options(self.uri),
                )
        self._used_at[name] = time.monotonic()
        return self._tables[name]

    def _is_old(self, name: str) -> bool:
        """Whether an opened table has seen too much, or may have missed too much, to go on with."""
        asleep = time.monotonic() - self._used_at[name]
        return self._appends[name] >= _REOPEN_AFTER or asleep > _ASLEEP_SECONDS


def _append(table: DeltaTable, rows: pa.Table, identity: BatchIdentity) -> None:
    write_deltalake(
        table,
        rows,
        mode="append",
        schema_mode="merge" if set(rows.schema.names) != {field.name for field in table.schema().fields} else None,
        writer_properties=_WRITER,
        commit_properties=CommitProperties(
            custom_metadata={"stream": identity.stream, "batch_id": str(identity.batch_id)},
            app_transactions=[Transaction(identity.stream, identity.batch_id)],
        ),
        post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
    )
