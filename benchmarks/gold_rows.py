"""Payments by the million, made inside Postgres: what a day of the stream would have left there, without the day.

The server multiplies a sample: each copy of a purchase gets ids of its own and times some milliseconds on. A day that
has no partition yet gets one that is filled before it has indexes and before it is part of the table. The aggregates
are those that the stream's own code makes of the sample's rows, as often as each was copied.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from benchmarks.gold_sample import EXTRA, HOUR_MS, MINUTE_MS, Sample, copies, draw, most_copies, times_copied
from spark_jobs.exchange import copy_in
from spark_jobs.stream import cubes
from spark_jobs.stream.detail import PAYMENTS, TRANSACTIONS, DetailTable

ONE_HOUR = timedelta(hours=1)
APART_MS = 61
"""Between two copies of a row."""
COPIES_PER_HOUR = 4096
BYTES_PER_PAYMENT = 430
"""Of a payment's row with its index and its part of the aggregates; measured with a million."""
SORTING_BYTES = 90
"""Of a payment while its partition's key is sorted."""
SPARE_BYTES = 6 * 10**9
"""For the write-ahead log, the batch layer, and the lake of the stream beside."""

SESSION = {
    "timezone": "UTC",
    # One minute after the other, each looked up: any other plan would lose their order.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "temp_buffers": "256MB",
    "maintenance_work_mem": "512MB",
}

Connection = psycopg.Connection[tuple[Any, ...]]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Filled:
    """What a fill added."""

    payments: int
    frauds: int
    seconds: float
    """Of the server's work: without drawing the sample."""


def bytes_needed(payments: int) -> int:
    """Room on the disk for this many payments while they are loaded."""
    return payments * (BYTES_PER_PAYMENT + SORTING_BYTES) + SPARE_BYTES


def fill(connection: Connection, end: datetime, hours: int, payments: int, told: Told) -> Filled:
    """Add `payments` in whole hours up to `end`; hours that have payments already stay as they are.

    Each day is one transaction, so a fill that was ended goes on with the day where it was. The connection is
    autocommitting, of the owner of schema live or a superuser, and nobody else writes meanwhile.
    """
    for name, value in SESSION.items():
        connection.execute(sql.SQL("set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    found = connection.execute("select hour from live.payment_hours").fetchall()
    wanted = [end - number * ONE_HOUR for number in range(hours, 0, -1)]
    missing = [hour for hour in wanted if (hour,) not in found]
    if not missing:
        told("every hour is there already")
        return Filled(0, 0, 0.0)
    sample = draw(payments // hours, told)
    filling = _Filling(connection, sample, copies(sample, payments, [_number(hour) for hour in wanted]), told)
    filling.stage()
    for day, of_day in groupby(missing, key=datetime.date):
        filling.add(day, list(of_day), len(missing))
    _settle(connection, end)
    return Filled(filling.payments, filling.frauds, filling.seconds)


class _Filling:
    """The state of one fill: what is to be copied, and how far it is."""

    def __init__(self, connection: Connection, sample: Sample, begun_in: Callable[[int], float], told: Told) -> None:
        self._connection = connection
        self._sample = sample
        self._begun_in = begun_in
        self._told = told
        self._began = time.monotonic()
        self._hours = 0
        self.payments = 0
        self.frauds = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def stage(self) -> None:
        """Put the sample where the server can multiply it."""
        with self._connection.cursor() as cursor:
            for table, rows in ((PAYMENTS, self._sample.payments), (TRANSACTIONS, self._sample.frauds)):
                name = _staged(table)
                cursor.execute(sql.SQL("drop table if exists {}").format(name))
                cursor.execute(
                    sql.SQL("create temporary table {} (like live.{}, {})").format(
                        name,
                        sql.Identifier(table.name),
                        sql.SQL(", ").join(sql.SQL(f"{column} {kind}") for column, kind in EXTRA.items()),
                    )
                )
                copy_in(cursor, name, rows)
                cursor.execute(sql.SQL("create index on {} (minute); analyze {}").format(name, name))

    def add(self, day: date, hours: Sequence[datetime], of_all: int) -> None:
        """Add hours of one day."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            targets = {table: _target(cursor, table, day) for table in (PAYMENTS, TRANSACTIONS)}
            for hour in hours:
                limits = self._limits(hour)
                self.payments += self._copy(cursor, PAYMENTS, targets[PAYMENTS], hour, limits)
                self.frauds += self._copy(cursor, TRANSACTIONS, targets[TRANSACTIONS], hour, limits)
                _add_aggregates(cursor, self._sample.payments, hour, limits)
                self._hours += 1
                rate, left = self.payments / self.seconds, (of_all - self._hours) * self.seconds / self._hours
                self._told(
                    f"hour {self._hours} of {of_all}: {self.payments:,} payments, {rate:,.0f}/s, some {left:.0f} s left"
                )
            for table, target in targets.items():
                self._told(f"indexes of {table.name}, {day}")
                _attach(cursor, table, target, day)

    def _limits(self, hour: datetime) -> list[float]:
        return [self._begun_in(_number(hour) - back) for back in range(self._sample.most_hours_after + 1)]

    def _copy(
        self, cursor: psycopg.Cursor[Any], table: DetailTable, target: sql.Identifier, hour: datetime,
        limits: Sequence[float],
    ) -> int:  # fmt: skip
        statement = sql.SQL(_MULTIPLY).format(
            target=target,
            columns=sql.SQL(", ").join(map(sql.Identifier, table.columns)),
            values=sql.SQL(", ").join(
                sql.SQL(_OWN[column]) if column in _OWN else sql.Identifier("sample", column)
                for column in table.columns
            ),
            sample=_staged(table),
        )
        values = {
            "hour": hour,
            "number": _number(hour),
            "limits": list(limits),
            "most": most_copies(limits),
            "apart_ms": APART_MS,
            "minute_ms": MINUTE_MS,
            "copies_per_hour": COPIES_PER_HOUR,
        }
        return cursor.execute(statement, values).rowcount


def _add_aggregates(cursor: psycopg.Cursor[Any], sample: pa.Table, hour: datetime, limits: Sequence[float]) -> None:
    """What the stream would have added to its cubes with the payments of an hour, and the hour's first version."""
    since_hour = pa.array(sample["minute"].to_numpy() * MINUTE_MS * 1000, pa.duration("us"))
    rows = sample.select(list(cubes.INPUT))
    at = rows.schema.get_field_index("event_timestamp")
    rows = rows.set_column(at, "event_timestamp", pc.add(pa.scalar(hour, pa.timestamp("us", "UTC")), since_hour))
    counts = times_copied(sample, limits)
    added = {int(times): cubes.added_by(rows.filter(pa.array(counts == times))) for times in np.unique(counts) if times}
    for cube in cubes.CUBES:
        copy_in(
            cursor, sql.Identifier("live", cube.name), _together(cube, {n: of[cube.name] for n, of in added.items()})
        )
    if added:
        cursor.execute("insert into live.payment_hours (hour, version) values (%s, 1)", [hour])


def _together(cube: cubes.Cube, added: dict[int, pa.Table]) -> pa.Table:
    """The sums of what was added so many times."""
    multiplied = []
    for times, rows in added.items():
        sums = [pc.multiply(rows[name], times) if name in cube.measures else rows[name] for name in cube.columns]
        multiplied.append(pa.table(sums, names=list(cube.columns)))
    together = pa.concat_tables(multiplied).group_by(list(cube.key), use_threads=False)
    summed = together.aggregate([(name, "sum") for name in cube.measures])
    return summed.select([*cube.key, *(f"{name}_sum" for name in cube.measures)]).rename_columns(cube.columns)


def _target(cursor: psycopg.Cursor[Any], table: DetailTable, day: date) -> sql.Identifier:
    """Where the rows of a day go: the table itself when it has that day, else a new one beside it, without indexes."""
    name = f"{table.name}_{day:%Y%m%d}"
    if cursor.execute("select to_regclass(%s)", [f"live.{name}"]).fetchone() != (None,):
        return sql.Identifier("live", table.name)
    target = sql.Identifier("live", name)
    # The condition is what spares attaching it a look at every row.
    cursor.execute(
        sql.SQL(
            "create table {} (like live.{} including all excluding indexes, constraint of_the_day "
            "check (event_timestamp >= {} and event_timestamp < {}))"
        ).format(target, sql.Identifier(table.name), *_bounds(day))
    )
    cursor.execute(sql.SQL("alter table {} owner to payments_owner").format(target))
    return target


def _attach(cursor: psycopg.Cursor[Any], table: DetailTable, target: sql.Identifier, day: date) -> None:
    """Make a day's own table, if it has one, part of the whole, which gives it the indexes of the whole."""
    whole = sql.Identifier("live", table.name)
    if target == whole:
        return
    cursor.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(whole, target, *_bounds(day))
    )
    cursor.execute(sql.SQL("alter table {} drop constraint of_the_day").format(target))


def _bounds(day: date) -> tuple[sql.Literal, sql.Literal]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return sql.Literal(midnight), sql.Literal(midnight + timedelta(days=1))


def _settle(connection: Connection, end: datetime) -> None:
    """Say how far the rows reach, and do what autovacuum would have done by then."""
    connection.execute(
        "insert into live.progress values ('filled', 1, %s, clock_timestamp()) on conflict (query) do update "
        "set newest_event_at = excluded.newest_event_at, committed_at = excluded.committed_at",
        [end],
    )
    for table in (PAYMENTS.name, TRANSACTIONS.name, "payment_hours", *(cube.name for cube in cubes.CUBES)):
        connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier("live", table)))


def empty(connection: Connection) -> None:
    """Take out all that was filled or streamed, and what the batch layer counted of it."""
    days = connection.execute(
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent in ('live.payments'::regclass, 'live.transactions'::regclass)"
    ).fetchall()
    for (partition,) in days:
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(*partition.split("."))))
    counted = connection.execute(
        "select tablename from pg_tables where schemaname = 'gold' and tablename ~ '^int_'"
    ).fetchall()
    names = [("live", name) for name in ("payment_hours", "progress", *(cube.name for cube in cubes.CUBES))]
    names += [("gold", name) for (name,) in counted]
    connection.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(sql.Identifier(*name) for name in names)))


def _staged(table: DetailTable) -> sql.Identifier:
    return sql.Identifier(f"sampled_{table.name}")


def _number(hour: datetime) -> int:
    return int(hour.timestamp() * 1000) // HOUR_MS


# A copy of an id ends with the number of its copy, which no other copy of this or another hour has.
_OWN_ID = (
    "left(sample.{}, 28) "
    "|| lpad(to_hex((%(number)s::bigint - sample.hours_after) * %(copies_per_hour)s + copy.copy), 8, '0')"
)
_OWN_TIME = (
    "%(hour)s::timestamptz + sample.minute * interval '1 minute' "
    "+ ((sample.past_minute_ms + copy.copy * %(apart_ms)s) %% %(minute_ms)s) * interval '1 millisecond'"
)
_OWN = {
    "event_id": _OWN_ID.format("event_id"),
    "transaction_id": _OWN_ID.format("transaction_id"),
    "event_timestamp": _OWN_TIME,
    "arrived_at": f"{_OWN_TIME} + sample.arrival_lag_ms * interval '1 millisecond'",
    "source_partition": "sample.number %% 2",
    "source_offset": "(%(number)s::bigint * %(copies_per_hour)s + copy.copy) * 1000000 + sample.number",
}
"""What is a copy's own; it has all else from the sample."""

# Minute by minute, so that rows come in the order of their times as they do from the stream.
_MULTIPLY = """
insert into {target} ({columns})
select {values}
from generate_series(0, 59) as minute
cross join generate_series(0, %(most)s - 1) as copy
cross join lateral (
    select * from {sample} as one
    where one.minute = minute.minute
        and copy.copy + one.purchase_rank < (%(limits)s::double precision[])[1 + one.hours_after]
    offset 0
) as sample
"""
