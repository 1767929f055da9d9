"""The speed layer in Postgres: a batch's rows, aggregates and audit in one transaction, once.

The primary key (event id, event time) has the last word on what is a repetition. Rows that the deduplication window
vouches for are copied straight into the table; if one of them is a repetition after all (older than the window), the
batch falls back to the path of the doubtful rows, which are staged and inserted where nothing is there yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from spark_jobs.exchange import Cursor, copy_in, literal
from spark_jobs.fraud import scoring
from spark_jobs.fraud.scoring import Scores
from spark_jobs.lake import BatchIdentity
from spark_jobs.stream import audit, cubes, metrics
from spark_jobs.stream.batch import Mask, TopicBatch, positions
from spark_jobs.stream.cubes import Cube
from spark_jobs.stream.detail import DETAIL, DetailTable

PAYMENTS = "payments.transactions"
PURCHASES = "ecommerce.transactions"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Committed:
    """What a batch added: per topic which of `valid` were accepted, and the scores of the purchases among them."""

    accepted: Mapping[str, Mask]
    scores: Scores


class SpeedLayer:
    """One connection to the schema `live`, opened when first needed and again after it broke."""

    def __init__(self, database_url: str, query: str = "money") -> None:
        self._url = database_url
        self._query = query
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._known_days: set[tuple[str, object]] = set()

    def commit(self, parts: Sequence[TopicBatch], identity: BatchIdentity) -> Committed:
        """Write the batch, unless it is there already, and tell what was accepted.

        Raises psycopg.OperationalError when Postgres is away; nothing is written then, and the call may be repeated.
        """
        connection = self._connect()
        try:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("set local datestyle = 'ISO'")
                self._make_partitions(cursor, parts)
                if _is_committed(cursor, identity):
                    return _complete(cursor, parts)
                accepted = {part.topic.name: _insert(connection, cursor, part) for part in parts}
                with metrics.STEP_SECONDS.labels(self._query, "scores").time():
                    scores = scoring.score(cursor, _chosen(PURCHASES, parts, accepted))
                aggregate(cursor, _chosen(PAYMENTS, parts, accepted), _chosen(PURCHASES, parts, accepted))
                audit.record(cursor, parts, accepted, identity)
                return Committed(accepted, scores)
        except psycopg.Error:
            self.close()
            raise

    def announce(self, parts: Sequence[TopicBatch], identity: BatchIdentity) -> None:
        """Tell which messages a batch has before any of them is stored, so that others can finish it.

        Raises psycopg.OperationalError when Postgres is away; the call may be repeated.
        """
        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                audit.announce(cursor, parts, identity)
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection up; the next commit opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._known_days.clear()

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=5, application_name="stream", tcp_user_timeout=30_000
            )
        return self._connection

    def _make_partitions(self, cursor: Cursor, parts: Sequence[TopicBatch]) -> None:
        for table, rows in [(table, part.valid) for part in parts for table in _partitioned(part)]:
            days = {(table, day) for day in pc.unique(rows.column("event_date")).to_pylist()} - self._known_days
            if days:
                cursor.execute("select live.ensure_partitions(%s, %s::date[])", [table, sorted(day for _, day in days)])
                self._known_days |= days


def _is_committed(cursor: Cursor, identity: BatchIdentity) -> bool:
    cursor.execute("select 1 from ops.batches where query = %s and batch_id = %s", [identity.stream, identity.batch_id])
    return cursor.fetchone() is not None


def _partitioned(part: TopicBatch) -> list[str]:
    """The tables with a partition per day that get rows of the topic."""
    scored = ["fraud_scores"] if part.topic.name == PURCHASES else []
    return [DETAIL[part.topic.name].name, *scored]


def _chosen(topic: str, parts: Sequence[TopicBatch], chosen: Mapping[str, Mask]) -> pa.Table:
    """The chosen Silver rows of a topic; empty when the stream does not read it."""
    rows = [part.valid.filter(pa.array(chosen[topic])) for part in parts if part.topic.name == topic]
    return rows[0] if rows else pa.table({})


def _complete(cursor: Cursor, parts: Sequence[TopicBatch]) -> Committed:
    """Tell what a batch that was committed before had accepted, and add what it could not read then.

    A message whose schema was registered between the two runs was a dead letter in the first and is valid in this one.
    """
    stored = {part.topic.name: _stored(cursor, part) for part in parts}
    added = {
        part.topic.name: _insert_where_absent(cursor, DETAIL[part.topic.name], part.valid, ~stored[part.topic.name])
        for part in parts
    }
    earlier = scoring.stored(cursor, _chosen(PURCHASES, parts, stored))
    scores = scoring.score(cursor, _chosen(PURCHASES, parts, added))
    aggregate(cursor, _chosen(PAYMENTS, parts, added), _chosen(PURCHASES, parts, added))
    rows = pa.concat_tables([earlier.rows, scores.rows])
    return Committed({name: stored[name] | added[name] for name in stored}, Scores(rows, scores.revisions))


def _insert(connection: psycopg.Connection[tuple[object, ...]], cursor: Cursor, part: TopicBatch) -> Mask:
    table, rows, vouched = DETAIL[part.topic.name], part.valid, part.is_new
    try:
        with connection.transaction():
            copy_in(
                cursor, sql.Identifier("live", table.name), rows.select(list(table.columns)).filter(pa.array(vouched))
            )
    except psycopg.errors.UniqueViolation:
        vouched = np.zeros(rows.num_rows, dtype=bool)
    return vouched | _insert_where_absent(cursor, table, rows, ~vouched)


def _insert_where_absent(cursor: Cursor, table: DetailTable, rows: pa.Table, doubtful: Mask) -> Mask:
    """Insert the doubtful rows that are no repetition; of each repeated pair the one that reached Kafka first wins."""
    if not doubtful.any():
        return np.zeros(rows.num_rows, dtype=bool)
    _stage(cursor, table, rows.filter(pa.array(doubtful)))
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    cursor.execute(
        sql.SQL(
            "insert into live.{table} ({columns}) select {columns} from {staging} "
            "order by source_partition, source_offset "
            "on conflict do nothing returning source_partition, source_offset"
        ).format(table=sql.Identifier(table.name), columns=columns, staging=_staging(table))
    )
    return doubtful & _at_positions(rows, cursor)


def _stored(cursor: Cursor, part: TopicBatch) -> Mask:
    """Which rows of a batch that was committed before are its own: stored with the very position they have."""
    table = DETAIL[part.topic.name]
    if part.valid.num_rows == 0:
        return np.zeros(0, dtype=bool)
    _stage(cursor, table, part.valid)
    cursor.execute(
        sql.SQL(
            "select stored.source_partition, stored.source_offset from {staging} staged join live.{table} stored "
            "using ({key}) where stored.source_partition = staged.source_partition "
            "and stored.source_offset = staged.source_offset"
        ).format(
            staging=_staging(table),
            table=sql.Identifier(table.name),
            key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        )
    )
    return _at_positions(part.valid, cursor)


def _at_positions(rows: pa.Table, cursor: Cursor) -> Mask:
    found = np.array([(int(p) << 48) + int(o) for p, o in cursor.fetchall()], dtype=np.int64)  # type: ignore[call-overload]
    return np.isin(positions(rows, "source_partition", "source_offset"), found)


def _staging(table: DetailTable) -> sql.Identifier:
    return sql.Identifier(f"staged_{table.name}")


def _stage(cursor: Cursor, table: DetailTable, rows: pa.Table) -> None:
    cursor.execute(
        sql.SQL("create temporary table if not exists {} (like live.{}) on commit delete rows").format(
            _staging(table), sql.Identifier(table.name)
        )
    )
    _copy(cursor, _staging(table), table, rows)


def _copy(cursor: Cursor, target: sql.Identifier, table: DetailTable, rows: pa.Table) -> None:
    copy_in(cursor, target, rows.select(list(table.columns)))


def aggregate(cursor: Cursor, payments: pa.Table, purchases: pa.Table) -> None:
    """Add accepted Silver rows to the cubes, and have the batch layer count their hours again."""
    if payments.num_rows:
        added = cubes.added_by(payments)
        for cube in cubes.CUBES:
            _add(cursor, cube, added[cube.name])
    paid = cubes.hours(payments.column("event_timestamp")) if payments.num_rows else []
    doubted = _hours_in_doubt(purchases) if purchases.num_rows else []
    if paid or doubted:
        _raise_versions(cursor, paid, doubted)


def _hours_in_doubt(purchases: pa.Table) -> list[datetime]:
    """Hours whose chargebacks the purchases may change: those of a fraud's checkout and, for its approval, the next."""
    frauds = purchases.filter(purchases.column("is_fraud")).column("event_timestamp")
    return cubes.hours(pa.chunked_array([*frauds.chunks, *pc.add(frauds, _HOUR).chunks], frauds.type))


def _raise_versions(cursor: Cursor, paid: list[datetime], doubted: list[datetime]) -> None:
    """Have the batch layer count hours again; one statement in order, so that writers never wait for each other.

    An hour without payments has no version, however many frauds it knows of.
    """
    cursor.execute(
        "insert into live.payment_hours as known (hour, version) select hour, 1 from ("
        "  select unnest(%s::timestamptz[]) as hour"
        "  union select hour from live.payment_hours where hour = any (%s::timestamptz[])"
        ") as touched order by hour on conflict (hour) do update set version = known.version + 1",
        [paid, doubted],
    )


def _add(cursor: Cursor, cube: Cube, rows: pa.Table) -> None:
    """Add the rows' measures to the cube, key by key."""
    if rows.num_rows == 0:
        return
    statement = sql.SQL(
        "insert into live.{table} as known ({columns}) select * from unnest({arrays}) "
        "on conflict ({key}) do update set {sums}"
    ).format(
        table=sql.Identifier(cube.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, cube.columns)),
        arrays=sql.SQL(", ").join(sql.SQL(f"%s::{cube.type_of(column)}[]") for column in cube.columns),
        key=sql.SQL(", ").join(map(sql.Identifier, cube.key)),
        sums=sql.SQL(", ").join(
            sql.SQL("{0} = known.{0} + excluded.{0}").format(sql.Identifier(measure)) for measure in cube.measures
        ),
    )
    cursor.execute(statement, [literal(rows.column(column)) for column in cube.columns])
