"""The windows in Postgres: the live tables, how far they are, and what the lake still has to get."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from domain.windows import Window, instant, micros, windows
from spark_jobs.exchange import Cursor, copy_in
from spark_jobs.windows.silver import TABLE

_LOCK = "ops.window_progress"
_AT_ONCE = 20_000
"""Rows that one transaction closes or removes at most, per table."""

_TYPES = {
    "integer": "integer",
    "long": "bigint",
    "double": "double precision",
    "boolean": "boolean",
    "text": "text",
    "texts": "text[]",
}


class LiveError(Exception):
    """Another process computes the windows of this database."""


@dataclass(frozen=True)
class Progress:
    """Up to which version of which table the live windows are right."""

    table_id: str
    version: int
    newest_event_at: datetime | None


@dataclass(frozen=True)
class Mark:
    """Windows of a table whose purchases changed."""

    window: Window
    starts: Sequence[int]
    behind: frozenset[int] = frozenset()
    """Those of `starts` whose rows are not among the live rows yet."""


@dataclass(frozen=True)
class Due:
    """A window that the lake, or its live table, has to get as a whole."""

    window: Window
    start_us: int
    revision: int
    is_complete: bool
    is_live_behind: bool


class LiveTables:
    """One connection, opened when first needed and again after it broke."""

    def __init__(self, database_url: str, watermark_seconds: int) -> None:
        self._url = database_url
        self._watermark = timedelta(seconds=watermark_seconds)
        self._connection: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """Give the connection up; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def progress(self) -> Progress | None:
        """How far the live tables are; None before anything was computed."""
        with self._transaction() as cursor:
            row = cursor.execute(
                "select table_id, version, newest_event_at from ops.window_progress where source = %s", [TABLE]
            ).fetchone()
        return Progress(*row) if row else None

    def commit(self, rows: Iterable[tuple[Window, pa.Table]], marks: Iterable[Mark], progress: Progress) -> None:
        """Put recomputed rows in place of those with the same window and keys, and remember how far this is."""
        with self._transaction() as cursor:
            for window, lot in rows:
                self._upsert(cursor, window, lot, progress.newest_event_at, progress.newest_event_at)
            for mark in marks:
                put_mark(cursor, mark)
            _keep(cursor, progress)

    def tidy(self, newest: datetime, clock: datetime) -> None:
        """Call windows complete by `clock`, and remove those past retention by the newest event, a share at a time."""
        for window in windows().values():
            table = sql.Identifier("live", window.live)
            with self._transaction() as cursor:
                cursor.execute(
                    sql.SQL(
                        "update {} set is_complete = true where ctid = any (array(select ctid from {} "
                        "where not is_complete and window_end < %s limit %s))"
                    ).format(table, table),
                    [clock - self._watermark, _AT_ONCE],
                )
                cursor.execute(
                    sql.SQL(
                        "delete from {} where ctid = any (array(select ctid from {} where window_start < %s limit %s))"
                    ).format(table, table),
                    [_oldest_kept(window, newest) - timedelta(microseconds=window.width_us), _AT_ONCE],
                )

    def forget_written(self, window: Window) -> None:
        """Have all windows of a table written to the lake again."""
        with self._transaction() as cursor:
            cursor.execute(
                "update ops.window_revisions set written_revision = null, written_at = null "
                "where window_table = %s and written_revision is not null",
                [window.name],
            )

    def due(self, clock: datetime, revise_seconds: float, limit: int) -> list[Due]:
        """Windows that have to be written whole, the newest first: complete ones that the lake has not got as they are,
        and any that its live table has not got.

        `clock` is where event time stands; what the lake got less than `revise_seconds` ago can wait.
        """
        with self._transaction() as cursor:
            cursor.execute(
                "select window_table, window_start, revision, window_end < %(complete)s, is_live_behind "
                "from ops.window_revisions where is_live_behind or (window_end < %(complete)s "
                "and (written_revision is null or written_revision < revision) "
                "and (written_at is null or written_at <= clock_timestamp() - make_interval(secs => %(revise)s))) "
                "order by window_end desc limit %(limit)s",
                {"complete": clock - self._watermark, "revise": revise_seconds, "limit": limit},
            )
            found = cursor.fetchall()
        return [Due(windows()[name], micros(start), *rest) for name, start, *rest in found]

    def settle(self, window: Window, due: Sequence[Due], rows: pa.Table, newest: datetime, clock: datetime) -> None:
        """Give the live table the whole windows it lacks, and remember what the lake has got."""
        behind = [one.start_us for one in due if one.is_live_behind]
        with self._transaction() as cursor:
            if behind:
                instants = [instant(start) for start in behind]
                cursor.execute(
                    sql.SQL("delete from {} where window_start = any(%s)").format(sql.Identifier("live", window.live)),
                    [instants],
                )
                lacking = pc.is_in(rows.column("window_start"), pa.array(instants, pa.timestamp("us", "UTC")))
                self._upsert(cursor, window, rows.filter(lacking), newest, clock)
            cursor.executemany(
                "update ops.window_revisions set is_live_behind = false, "
                "written_revision = case when %s then %s else written_revision end, "
                "written_at = case when %s then clock_timestamp() else written_at end "
                "where window_table = %s and window_start = %s",
                [(one.is_complete, one.revision, one.is_complete, window.name, instant(one.start_us)) for one in due],
            )

    def _upsert(
        self, cursor: Cursor, window: Window, rows: pa.Table, newest: datetime | None, clock: datetime | None
    ) -> None:
        if newest is None or clock is None or rows.num_rows == 0:
            return
        ends = rows.column("window_end")
        kept = rows.filter(pc.greater(ends, pa.scalar(_oldest_kept(window, newest), ends.type))).drop_columns(["date"])
        complete = pc.less(kept.column("window_end"), pa.scalar(clock - self._watermark, ends.type))
        kept = kept.append_column("is_complete", complete)
        staged = f"staged_{window.live}"
        cursor.execute(
            sql.SQL("create temporary table if not exists {} (like live.{}) on commit delete rows").format(
                sql.Identifier(staged), sql.Identifier(window.live)
            )
        )
        cursor.execute(sql.SQL("truncate {}").format(sql.Identifier(staged)))
        copy_in(cursor, sql.Identifier(staged), _as_texts(kept))
        cursor.execute(_UPSERTS[window.name])

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        connection = self._connect()
        try:
            with connection.transaction(), connection.cursor() as cursor:
                yield cursor
        except psycopg.Error:
            self.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=5, application_name="windows", tcp_user_timeout=30_000
            )
            self._connection.execute("set timezone = 'UTC'")
            self._connection.execute("set datestyle = 'ISO'")
            self._claim(self._connection)
        return self._connection

    def _claim(self, connection: psycopg.Connection[Any]) -> None:
        row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [_LOCK]).fetchone()
        if not row or not row[0]:
            self.close()
            raise LiveError("another process computes the windows of this database; this one takes over when it ends")


def _upsert_statement(window: Window) -> sql.Composed:
    hashed = [f"(md5({one.name})::uuid)" if one.type == "text" else one.name for one in window.keys]
    columns = ["window_start", "window_end", *(one.name for one in (*window.keys, *window.measures)), "is_complete"]
    changing = [*(one.name for one in window.measures), "is_complete"]
    return sql.SQL("insert into {} ({}) select {} from {} on conflict ({}) do update set {}").format(
        sql.Identifier("live", window.live),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(f"staged_{window.live}"),
        sql.SQL(", ".join(["window_start", *hashed])),
        sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in changing),
    )


_UPSERTS = {name: _upsert_statement(window) for name, window in windows().items()}


def put_mark(cursor: Cursor, mark: Mark) -> None:
    """Say that the purchases of these windows changed."""
    starts = sorted(mark.starts)
    cursor.execute(
        "insert into ops.window_revisions (window_table, window_start, window_end, revision, is_live_behind) "
        "select %s, start, start + make_interval(secs => %s), 1, behind "
        "from unnest(%s::timestamptz[], %s::boolean[]) as marked (start, behind) "
        "on conflict (window_table, window_start) do update set revision = window_revisions.revision + 1, "
        "is_live_behind = window_revisions.is_live_behind or excluded.is_live_behind",
        [
            mark.window.name,
            mark.window.width_us / 1_000_000,
            [instant(start) for start in starts],
            [start in mark.behind for start in starts],
        ],
    )


def _keep(cursor: Cursor, progress: Progress) -> None:
    cursor.execute(
        "insert into ops.window_progress (source, table_id, version, newest_event_at, committed_at) "
        "values (%s, %s, %s, %s, clock_timestamp()) on conflict (source) do update set table_id = excluded.table_id, "
        "version = excluded.version, newest_event_at = excluded.newest_event_at, committed_at = excluded.committed_at",
        [TABLE, progress.table_id, progress.version, progress.newest_event_at],
    )


def _oldest_kept(window: Window, newest: datetime) -> datetime:
    """Windows that end later stay in the live table."""
    return newest - timedelta(microseconds=window.retention_us)


def _as_texts(rows: pa.Table) -> pa.Table:
    """With lists as Postgres writes arrays."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_list(field.type):
            rows = rows.set_column(at, field.name, _array_texts(rows.column(at).combine_chunks()))
    return rows


def _array_texts(lists: pa.ListArray) -> pa.Array:
    items = lists.flatten()
    for special in ("\\", '"'):
        items = pc.replace_substring(items, special, "\\" + special)
    quoted = pc.binary_join_element_wise('"', items, '"', "")
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    offsets = pa.array([0, *counts.cumsum()], pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, quoted), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")
