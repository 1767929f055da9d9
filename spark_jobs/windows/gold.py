"""Complete windows in Delta. A window is replaced whole in one commit, so that a repetition changes nothing."""

from collections.abc import Sequence

import pyarrow as pa
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from domain.windows import Window, instant
from spark_jobs.lake import Lake, has_table

_WRITER = WriterProperties(compression="ZSTD", compression_level=1)
_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
_ATTEMPTS = 20
_TYPES = {
    "integer": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
}
_INSTANT = pa.timestamp("us", "UTC")


def schema(window: Window) -> pa.Schema:
    """The columns of a windowed table."""
    frame = [("date", pa.date32()), ("window_start", _INSTANT), ("window_end", _INSTANT)]
    return pa.schema(frame + [(column.name, _TYPES[column.type]) for column in (*window.keys, *window.measures)])


class GoldTables:
    """The windowed tables below one folder or bucket prefix."""

    def __init__(self, lake_uri: str) -> None:
        self._lake_uri = lake_uri

    def exists(self, window: Window) -> bool:
        """Whether the table was made already."""
        return has_table(self._lake_uri, window.delta)

    def replace(self, window: Window, starts: Sequence[int], rows: pa.Table) -> None:
        """Put `rows`, which are all rows of the windows with these starts, in place of what the table holds of them.

        Raises DeltaError when others change the same files again and again.
        """
        table = Lake(self._lake_uri).ensure(window.delta, schema(window), "date")
        for attempt in range(_ATTEMPTS):
            try:
                _replace(table, _within(starts), rows.cast(schema(window)))
                return
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise
                table.update_incremental()


def _replace(table: DeltaTable, predicate: str, rows: pa.Table) -> None:
    if rows.num_rows == 0:
        table.delete(predicate, writer_properties=_WRITER, post_commithook_properties=_HOOKS)
        return
    write_deltalake(
        table, rows, mode="overwrite", predicate=predicate, writer_properties=_WRITER, post_commithook_properties=_HOOKS
    )


def _within(starts: Sequence[int]) -> str:
    instants = [instant(start) for start in sorted(starts)]
    days = ", ".join(f"cast('{day.isoformat()}' as date)" for day in sorted({instant.date() for instant in instants}))
    listed = ", ".join(f"arrow_cast('{at.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')" for at in instants)
    return f"date in ({days}) and window_start in ({listed})"
