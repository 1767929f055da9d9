"""An hour of the speed layer: its rows and cubes, compared with what Bronze gives today, and made to agree.

While an hour that differs is changed, its tables are locked against writers (not readers), in the order in which the
stream writes to them: the stream waits for that hour, and the cubes are exact at every commit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.dataset
from psycopg import sql

from domain.contracts import Topic
from spark_jobs.exchange import Cursor, copy_in, copy_out
from spark_jobs.reprocessing.boundary import Limits
from spark_jobs.reprocessing.outcome import Differences, Outcome
from spark_jobs.reprocessing.silver import SUPERSEDED
from spark_jobs.stream.cubes import CUBES, INPUT, STAND_INS, Cube, added_by
from spark_jobs.stream.detail import DETAIL, PAYMENTS

_TIMES = {f"live.{cube.name}": cube.time for cube in CUBES}
_MICROSECONDS = "(extract(epoch from {}) * 1000000)::bigint"
_INSTANT = pa.timestamp("us", "UTC")
_RAISE_VERSIONS = b"update live.payment_hours set version = version + 1 where hour in (%s, %s)"
"""Purchases found to be frauds, or not to be, make other chargebacks of the approvals that followed them."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Span:
    """An hour of event time."""

    day: date
    hour: int

    @property
    def begins_at(self) -> datetime:
        """Its first instant."""
        return datetime.combine(self.day, time(self.hour), UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        return self.begins_at + timedelta(hours=1)

    @property
    def bounds(self) -> dict[str, object]:
        """As parameters of a statement."""
        return {"begins_at": self.begins_at, "ends_at": self.ends_at}


@dataclass(frozen=True)
class Found:
    """What an hour looked like; `superseded` are positions of rebuilt rows that give way to newer ones."""

    rows: int
    differences: Differences
    superseded: pa.Table


def spans(day: date) -> list[Span]:
    """The hours of a day."""
    return [Span(day, hour) for hour in range(24)]


def folder_of(accepted: Path, span: Span) -> Path:
    """Where the rebuilt rows of an hour lie; absent when there are none."""
    return accepted / f"day={span.day.isoformat()}" / f"hour={span.hour}"


def holds_rows(connection: Connection, table: str, span: Span) -> bool:
    """Whether a table of live has rows of the hour."""
    column = _TIMES.get(table, "event_timestamp")
    query = f"select exists (select from {table} where {column} >= %(begins_at)s and {column} < %(ends_at)s)"
    row = connection.execute(query.encode(), span.bounds).fetchone()
    return bool(row and row[0])


def rows_of(accepted: Path, span: Span, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rebuilt rows of an hour, piece by piece."""
    folder = folder_of(accepted, span)
    if folder.exists():
        for batch in pa.dataset.dataset(folder, format="parquet").to_batches(
            columns=list(columns) if columns else None
        ):
            yield pa.Table.from_batches([batch])


class LiveDays:
    """The table of live rows of a topic beside the rows that were rebuilt for it."""

    def __init__(self, connection: Connection, topic: Topic, limits: Limits, accepted: Path) -> None:
        self._connection = connection
        self._table = DETAIL[topic.name]
        self._accepted = accepted
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(
                "create temporary table if not exists settled_span "
                "(partition int primary key, first bigint, last bigint)"
            )
            cursor.execute("truncate settled_span")
            cursor.executemany(
                "insert into settled_span values (%s, %s, %s)", [(one, *span) for one, span in limits.items()]
            )
            cursor.execute(self._sql("create temporary table if not exists {rebuilt} (like {live})"))

    def is_kept(self, day: date) -> bool:
        """Whether Postgres still holds the day: old partitions are dropped after a while."""
        row = self._connection.execute(
            "select min(right(child.relname, 8)) from pg_inherits join pg_class child on child.oid = inhrelid "
            "where inhparent = %s::regclass",
            [f"live.{self._table.name}"],
        ).fetchone()
        return row is None or row[0] is None or day.strftime("%Y%m%d") >= str(row[0])

    def compare(self, day: date) -> tuple[Outcome, pa.Table]:
        """Say how the day differs, and which rebuilt rows are superseded; changes nothing."""
        return self._day(day, heal=False)

    def heal(self, day: date) -> tuple[Outcome, pa.Table]:
        """Make the day agree, hour by hour, each in one transaction."""
        return self._day(day, heal=True)

    def _day(self, day: date, heal: bool) -> tuple[Outcome, pa.Table]:
        hours = [self._hour(span, heal) for span in spans(day) if self._has_rows(span)]
        total = sum((one.differences for one in hours), Differences())
        before = sum(one.rows for one in hours)
        after = before + total.missing - total.extra
        superseded = pa.concat_tables([SUPERSEDED.empty_table(), *(one.superseded for one in hours)])
        return Outcome(f"live.{self._table.name}", day, before, after, total), superseded

    def _has_rows(self, span: Span) -> bool:
        """Whether there is anything to compare; most hours of a young or a damaged day are empty."""
        if folder_of(self._accepted, span).exists():
            return True
        others = [f"live.{self._table.name}", *(_TIMES if self._table is PAYMENTS else ())]
        return any(holds_rows(self._connection, name, span) for name in others)

    def _hour(self, span: Span, heal: bool) -> Found:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            self._prepare(cursor)
            self._stage(cursor, span)
            found = self._look(cursor, span)
            if self._table is PAYMENTS and not found.differences and _cubes_to_mend(cursor, span):
                found = _only_cubes(found)
        if found.differences and heal:
            return self._mend(span)
        return found

    def _mend(self, span: Span) -> Found:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            self._prepare(cursor)
            cursor.execute("select live.ensure_partitions(%s, %s)", [self._table.name, [span.day]])
            self._lock(cursor)
            found = self._look(cursor, span)
            self._change(cursor, span)
            if self._table is PAYMENTS:
                cubes = _cubes_to_mend(cursor, span)
                for cube, rows in cubes:
                    _replace_cube(cursor, cube, rows, span)
                if cubes and not found.differences:
                    found = _only_cubes(found)
                cursor.execute(
                    "insert into live.payment_hours as known (hour, version) values (%s, 1) "
                    "on conflict (hour) do update set version = known.version + 1",
                    [span.begins_at],
                )
            else:
                cursor.execute(_RAISE_VERSIONS, [span.begins_at, span.ends_at])
        return found

    def _prepare(self, cursor: Cursor) -> None:
        cursor.execute("set local datestyle = 'ISO'")
        cursor.execute("set local timezone = 'UTC'")

    def _lock(self, cursor: Cursor) -> None:
        others = [*(cube.name for cube in CUBES), "payment_hours"] if self._table is PAYMENTS else ["payment_hours"]
        for name in [self._table.name, *others]:
            cursor.execute(sql.SQL("lock table live.{} in share row exclusive mode").format(sql.Identifier(name)))

    def _stage(self, cursor: Cursor, span: Span) -> None:
        cursor.execute(self._sql("truncate {rebuilt}"))
        for rows in rows_of(self._accepted, span, self._table.columns):
            copy_in(cursor, self._rebuilt, rows)
        cursor.execute(self._sql("analyze {rebuilt}"))

    def _look(self, cursor: Cursor, span: Span) -> Found:
        """Fill the temporary table `differing` with the identities that differ, and count them."""
        cursor.execute("drop table if exists differing")
        cursor.execute(
            self._sql(
                "create temporary table differing on commit drop as "
                "with here as ("
                "  select stored.*, coalesce(stored.source_offset between first and last, false) as is_settled"
                "  from {live} stored"
                "  left join settled_span on partition = source_partition"
                "  where event_timestamp >= %(begins_at)s and event_timestamp < %(ends_at)s"
                "), judged as ("
                "  select {key}, w.source_partition, w.source_offset, case"
                "    when here.source_offset is null then 'missing'"
                "    when w.source_offset is null then case when is_settled then 'extra' else 'newer' end"
                "    when not is_settled then 'superseded'"
                "    when ({wanted}) is distinct from ({stored}) then 'changed'"
                "    else 'equal' end as kind"
                "  from {rebuilt} w full join here using ({key})"
                ") select * from judged where kind <> 'equal' and kind <> 'newer'"
            ),
            span.bounds,
        )
        cursor.execute("select kind, count(*) from differing group by kind")
        counts = {str(kind): int(str(count)) for kind, count in cursor.fetchall()}
        rows = cursor.execute(
            self._sql(
                "select count(*) from {live} stored join settled_span on partition = source_partition "
                "and source_offset between first and last "
                "where event_timestamp >= %(begins_at)s and event_timestamp < %(ends_at)s"
            ),
            span.bounds,
        ).fetchone()
        superseded = copy_out(
            cursor,
            "select source_partition, source_offset from differing where kind = 'superseded'",
            dict(zip(SUPERSEDED.names, SUPERSEDED.types, strict=True)),
        )
        kinds = {name: counts.get(name, 0) for name in ("missing", "extra", "changed")}
        return Found(int(str(rows[0])) if rows else 0, Differences(**kinds), superseded)

    def _change(self, cursor: Cursor, span: Span) -> None:
        cursor.execute(
            self._sql(
                "delete from {live} stored using differing where kind in ('extra', 'changed') and {matched} "
                "and stored.event_timestamp >= %(begins_at)s and stored.event_timestamp < %(ends_at)s"
            ),
            span.bounds,
        )
        cursor.execute(
            self._sql(
                "insert into {live} ({columns}) select {columns} from {rebuilt} "
                "where ({key}) in (select {key} from differing where kind in ('missing', 'changed'))"
            )
        )

    @property
    def _rebuilt(self) -> sql.Identifier:
        return sql.Identifier(f"rebuilt_{self._table.name}")

    def _sql(self, text: str) -> sql.Composed:
        names = [sql.Identifier(name) for name in self._table.columns]
        key = [sql.Identifier(name) for name in self._table.key]
        comma = sql.SQL(", ")
        return sql.SQL(text).format(
            live=sql.Identifier("live", self._table.name),
            rebuilt=self._rebuilt,
            columns=comma.join(names),
            key=comma.join(key),
            wanted=comma.join(self._qualified("w", name) for name in self._table.columns),
            stored=comma.join(self._qualified("here", name) for name in self._table.columns),
            matched=sql.SQL(" and ").join(sql.SQL("stored.{0} = differing.{0}").format(name) for name in key),
        )

    def _qualified(self, alias: str, name: str) -> sql.Composable:
        """A column of one side; those of the key are merged by `using` and have no side."""
        return sql.Identifier(name) if name in self._table.key else sql.Identifier(alias, name)


def _only_cubes(found: Found) -> Found:
    """The rows of the hour agree, but not what they add up to: told as one change."""
    return Found(found.rows, Differences(changed=1), found.superseded)


def _cubes_to_mend(cursor: Cursor, span: Span) -> list[tuple[Cube, pa.Table]]:
    """Of the cubes of the hour those that do not add up to its rows, with what they should hold."""
    wanted = added_by(_cube_input(cursor, span))
    pairs = [(cube, wanted[cube.name]) for cube in CUBES]
    return [(cube, rows) for cube, rows in pairs if not _stored_cube(cursor, cube, rows.schema, span).equals(rows)]


def _cube_input(cursor: Cursor, span: Span) -> pa.Table:
    return _read(cursor, "payments", "event_timestamp", pa.schema(list(INPUT.items())), span)


def _stored_cube(cursor: Cursor, cube: Cube, schema: pa.Schema, span: Span) -> pa.Table:
    """What the cube holds of the hour, in the order of the stream."""
    rows = _read(cursor, cube.name, cube.time, schema, span)
    return rows.sort_by([(key, "ascending") for key in cube.key]).combine_chunks()


def _read(cursor: Cursor, table: str, time: str, schema: pa.Schema, span: Span) -> pa.Table:
    """Columns of an hour of a table of live; nulls of a key are given by what it is taken for."""
    selected = ", ".join(f"{_expression(field)} as {field.name}" for field in schema)
    rows = copy_out(
        cursor,
        f"select {selected} from live.{table} where {time} >= '{span.begins_at.isoformat()}' "
        f"and {time} < '{span.ends_at.isoformat()}'",
        {field.name: _exchanged(field.type) for field in schema},
    )
    return rows.cast(schema)


def _expression(field: pa.Field) -> str:
    if field.type == _INSTANT:
        return _MICROSECONDS.format(field.name)
    if field.type == pa.bool_():
        return f"{field.name}::int"
    if field.name in STAND_INS:
        return f"coalesce({field.name}, '{STAND_INS[field.name]}')"
    return str(field.name)


def _exchanged(kind: pa.DataType) -> pa.DataType:
    """As what instants and truths travel."""
    return pa.int64() if kind in (_INSTANT, pa.bool_()) else kind


def _replace_cube(cursor: Cursor, cube: Cube, rows: pa.Table, span: Span) -> None:
    cursor.execute(
        sql.SQL("delete from live.{0} where {1} >= %(begins_at)s and {1} < %(ends_at)s").format(
            sql.Identifier(cube.name), sql.Identifier(cube.time)
        ),
        span.bounds,
    )
    copy_in(cursor, sql.Identifier("live", cube.name), rows)
