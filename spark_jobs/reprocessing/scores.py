"""A day of fraud scores: one for each purchase, with the velocity and the rules that rebuilt Silver gives today.

Velocity is counted anew over the purchases in Postgres, the rules of the event come from the rebuilt rows. What was
known of customer, device and merchant when a purchase was scored stays: it is a record of then. A purchase without a
score is scored as one that comes now, very late. The lake gets what Postgres holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, reduce
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from domain.fraud import VELOCITY, FraudScore, fraud_rules, score_of_rules, velocity_window_seconds
from spark_jobs.exchange import Cursor, copy_out, stage
from spark_jobs.fraud import scoring
from spark_jobs.fraud.expressions import EVENT_RULES
from spark_jobs.fraud.history import MOST_RECENT
from spark_jobs.lake import Lake
from spark_jobs.reprocessing import comparison
from spark_jobs.reprocessing.lake_day import LakeDay, find_table
from spark_jobs.reprocessing.live import Connection, Span, holds_rows, rows_of, spans
from spark_jobs.reprocessing.outcome import Differences, Outcome
from spark_jobs.reprocessing.silver import StillDifferent
from spark_jobs.rewrites import rewriting
from spark_jobs.stream.medallion import FRAUD_SCORES

_ATTEMPTS = 20
_PLACE = ["source_partition", "source_offset"]
_KEY = ("user_id", "event_timestamp", "transaction_id")

_PURCHASES = """
    select source_partition, source_offset, user_id, (extract(epoch from event_timestamp) * 1000000)::bigint,
        transaction_id, velocity, coalesce(score.velocity_30m, -1), coalesce(score.score, -1),
        coalesce(risk_level, ''), coalesce(array_to_string(rules_fired, ' '), ''), (score.user_id is not null)::int
    from (
        select *, least({most}, count(*) over (
            partition by user_id order by event_timestamp
            range between interval '{window} seconds' - interval '1 microsecond' preceding and current row
        )) as velocity
        from live.transactions
        where event_timestamp > timestamptz '{begins_at}' - interval '{window} seconds'
            and event_timestamp < timestamptz '{ends_at}'
    ) purchase
    join settled_span on partition = source_partition and source_offset between first and last
    left join live.fraud_scores score using (user_id, event_timestamp, transaction_id)
    where purchase.event_timestamp >= '{begins_at}'
"""
_PURCHASE_TYPES = {
    "source_partition": pa.int32(),
    "source_offset": pa.int64(),
    "user_id": pa.int32(),
    "event_timestamp": pa.int64(),
    "transaction_id": pa.string(),
    "velocity": pa.int64(),
    "stored_velocity": pa.int64(),
    "stored_score": pa.int64(),
    "stored_level": pa.string(),
    "stored_rules": pa.string(),
    "is_scored": pa.int64(),
}
_ORPHANS = """
    from live.fraud_scores score
    where score.event_timestamp >= %(begins_at)s and score.event_timestamp < %(ends_at)s and not exists (
        select from live.transactions purchase where purchase.transaction_id = score.transaction_id
        and purchase.event_timestamp = score.event_timestamp and purchase.user_id = score.user_id
    )
"""

_WRONG = pa.schema(
    [
        ("user_id", pa.int32()),
        ("event_timestamp", pa.timestamp("us", "UTC")),
        ("transaction_id", pa.string()),
        ("velocity", pa.int64()),
        ("score", pa.int64()),
        ("risk_level", pa.string()),
        ("rules", pa.string()),
    ]
)
_LAKE = pa.schema([*scoring.SCHEMA, ("event_date", pa.date32()), ("batch_id", pa.int64())])
"""Columns of the table in the lake, where nothing was scored before."""


@dataclass(frozen=True)
class _Judged:
    """An hour's scores as they are and as they should be."""

    rows: int
    unscored: pa.Table
    """Positions of settled purchases without a score."""
    wrong: pa.Table
    """Keys of scores that differ, with the values they should have."""
    orphans: int

    @property
    def differences(self) -> Differences:
        return Differences(self.unscored.num_rows, self.orphans, self.wrong.num_rows)


@dataclass
class ScoreDays:
    """The scores in Postgres and in the lake."""

    connection: Connection
    lake: Lake
    database: duckdb.DuckDBPyConnection
    accepted: Path

    def compare(self, day: date) -> Iterator[Outcome]:
        """Say how Postgres and the lake differ; changes nothing."""
        yield self._postgres(day, heal=False)
        table = find_table(self.lake.uri, FRAUD_SCORES)
        if table is not None:
            yield self._look(table, day)[1]

    def heal(self, day: date) -> Iterator[Outcome]:
        """Make the scores of the day agree, first in Postgres, then in the lake."""
        yield self._postgres(day, heal=True)
        with rewriting(self.connection, FRAUD_SCORES):
            first: Outcome | None = None
            for _ in range(_ATTEMPTS):
                table = self.lake.ensure(FRAUD_SCORES, _LAKE, "event_date")
                table.update_incremental()
                stored, found = self._look(table, day)
                first = first or found
                if not found.differences:
                    yield Outcome(FRAUD_SCORES, day, first.rows_before, found.rows_after, first.differences)
                    return
                self._replace(stored)
        raise StillDifferent(f"{FRAUD_SCORES} of {day} still differ: does another job rewrite them? Run again.")

    def _postgres(self, day: date, heal: bool) -> Outcome:
        total, rows = Differences(), 0
        for span in spans(day):
            if not any(holds_rows(self.connection, name, span) for name in ("live.transactions", "live.fraud_scores")):
                continue
            with self._snapshot() as cursor:
                found = self._judge(cursor, span)
            if found.differences and heal:
                found = self._mend(span)
            total, rows = total + found.differences, rows + found.rows
        return Outcome("live.fraud_scores", day, rows, rows + total.missing - total.extra, total)

    def _mend(self, span: Span) -> _Judged:
        """Score what has no score first: that revises its neighbours, and all velocities are judged again after it."""
        with self._transaction() as cursor:
            cursor.execute("select live.ensure_partitions('fraud_scores', %s)", [[span.day]])
            cursor.execute("lock table live.transactions, live.fraud_scores in share row exclusive mode")
            found = self._judge(cursor, span)
            key = ", ".join(_KEY)
            cursor.execute(
                f"delete from live.fraud_scores where ({key}) in (select {key} {_ORPHANS})".encode(), span.bounds
            )
            for rows in self._silver_rows(span, found.unscored):
                scoring.score(cursor, rows)
            _store(cursor, self._judge(cursor, span).wrong)
        return found

    def _silver_rows(self, span: Span, unscored: pa.Table) -> Iterator[pa.Table]:
        for rows in rows_of(self.accepted, span) if unscored.num_rows else ():
            chosen = rows.join(unscored, _PLACE, join_type="left semi")
            if chosen.num_rows:
                yield chosen.sort_by([(name, "ascending") for name in ("batch_id", *_PLACE)])

    def _judge(self, cursor: Cursor, span: Span) -> _Judged:
        parameters = {
            "begins_at": span.begins_at.isoformat(),
            "ends_at": span.ends_at.isoformat(),
            "window": velocity_window_seconds(),
            "most": MOST_RECENT,
        }
        purchases = copy_out(cursor, _PURCHASES.format(**parameters), _PURCHASE_TYPES)
        row = cursor.execute(f"select count(*) {_ORPHANS}".encode(), span.bounds).fetchone()
        orphans = int(str(row[0])) if row else 0
        is_scored = pc.equal(purchases.column("is_scored"), 1)
        scored = purchases.filter(is_scored)
        rules = list(rows_of(self.accepted, span, [*_PLACE, EVENT_RULES]))
        facts = scored.join(pa.concat_tables(rules), _PLACE, join_type="inner") if rules else None
        return _Judged(
            scored.num_rows + orphans,
            purchases.filter(pc.invert(is_scored)).select(_PLACE),
            _wrong(facts) if facts else _WRONG.empty_table(),
            orphans,
        )

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute("set transaction isolation level read committed")
            cursor.execute("set local datestyle = 'ISO'")
            cursor.execute("set local timezone = 'UTC'")
            yield cursor

    def _replace(self, stored: LakeDay) -> None:
        try:
            stored.replace("from rebuilt union all by name from kept order by event_timestamp", "reprocessing")
        except CommitFailedError:
            # Others changed these files meanwhile. The day is looked at again in any case.
            return

    def _look(self, table: DeltaTable, day: date) -> tuple[LakeDay, Outcome]:
        """Compare the lake with Postgres; the lake is opened first, so that it can hold nothing that Postgres lacks."""
        stored = LakeDay(self.database, table, "event_date", day)
        columns = comparison.types_of(self.database, "stored")
        self._export(day)
        key = ", ".join(_KEY)
        self.database.execute(
            f"create or replace temp table kept_keys as from newer union all "
            f"(select {key} from pending semi join stored using ({key}))"
        )
        numbered = (
            "select s.*, s.event_timestamp::date as event_date, p.batch_id from scores s "
            "left join purchases p using (transaction_id, event_timestamp)"
        )
        present = {**columns, "event_date": "date", "batch_id": "bigint"}
        self.database.execute(
            f"create or replace view rebuilt as select {comparison.chosen(columns, present)} from ({numbered}) "
            f"anti join kept_keys using ({key})"
        )
        self.database.execute(f"create or replace view settled as from stored anti join kept_keys using ({key})")
        self.database.execute(f"create or replace view kept as from stored semi join kept_keys using ({key})")
        before, after = (comparison.count(self.database, view) for view in ("settled", "rebuilt"))
        found = comparison.differences(self.database, list(_KEY), columns)
        return stored, Outcome(FRAUD_SCORES, day, before, after, found)

    def _export(self, day: date) -> None:
        """Lay down what Postgres holds at one moment: the scores, and which of them the lake gets from the stream."""
        first, last = Span(day, 0).begins_at.isoformat(), Span(day, 23).ends_at.isoformat()
        within = f"score.event_timestamp >= '{first}' and score.event_timestamp < '{last}'"
        file = self.accepted.parent / f"scores-{day}.parquet"
        with self._snapshot() as cursor, pq.ParquetWriter(file, scoring.SCHEMA) as writer:
            for span in spans(day):
                writer.write_table(
                    scoring.read(
                        cursor,
                        f"from live.fraud_scores where event_timestamp >= '{span.begins_at.isoformat()}' "
                        f"and event_timestamp < '{span.ends_at.isoformat()}'",
                    )
                )
            key = "score.user_id, (extract(epoch from score.event_timestamp) * 1000000)::bigint, score.transaction_id"
            newer = _keys(
                cursor,
                f"select {key} from live.fraud_scores score "
                "join live.transactions purchase using (transaction_id, event_timestamp) "
                "left join settled_span on partition = source_partition "
                f"where {within} and not coalesce(source_offset between first and last, false)",
            )
            pending = _keys(cursor, f"select {key} from live.fraud_score_revisions score where {within}")
        self.database.register("newer", newer)
        self.database.register("pending", pending)
        self.database.execute(f"create or replace view scores as from read_parquet('{file}')")
        none = {"transaction_id": "varchar", "event_timestamp": "timestamptz", "batch_id": "bigint"}
        comparison.show_files(self.database, "purchases", f"{self.accepted}/day={day}/*/*.parquet", none)

    @contextmanager
    def _snapshot(self) -> Iterator[Cursor]:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
            cursor.execute("set local datestyle = 'ISO'")
            cursor.execute("set local timezone = 'UTC'")
            yield cursor


def _keys(cursor: Cursor, query: str) -> pa.Table:
    rows = copy_out(
        cursor, query, {"user_id": pa.int32(), "event_timestamp": pa.int64(), "transaction_id": pa.string()}
    )
    return rows.set_column(1, "event_timestamp", rows.column("event_timestamp").cast(pa.timestamp("us", "UTC")))


def _wrong(facts: pa.Table) -> pa.Table:
    """The scores that are not what the facts amount to, with their key and the values they should have."""
    bits, velocities = (facts.column(name).to_pylist() for name in (EVENT_RULES, "velocity"))
    due = [_due(*pair) for pair in zip(bits, velocities, strict=True)]
    table = pa.table(
        {
            **{name: facts.column(name) for name in _KEY},
            "velocity": facts.column("velocity"),
            "score": pa.array([one.score for one in due], pa.int64()),
            "risk_level": pa.array([one.risk_level for one in due], pa.string()),
            "rules": pa.array([" ".join(one.rules_fired) for one in due], pa.string()),
        }
    ).cast(_WRONG)
    pairs = {
        "velocity": "stored_velocity",
        "score": "stored_score",
        "risk_level": "stored_level",
        "rules": "stored_rules",
    }
    equal = [pc.equal(table.column(wanted), facts.column(stored)) for wanted, stored in pairs.items()]
    return table.filter(pc.invert(reduce(pc.and_, equal)))


@lru_cache(maxsize=100_000)
def _due(event_bits: int, velocity: int) -> FraudScore:
    """The score of a purchase on which these rules fire by itself, at this velocity."""
    return score_of_rules(
        rule.name
        for at, rule in enumerate(fraud_rules())
        if (rule.fires(velocity) if rule.column == VELOCITY else event_bits >> at & 1)
    )


def _store(cursor: Cursor, wrong: pa.Table) -> None:
    if wrong.num_rows == 0:
        return
    types = {
        "user_id": "int",
        "event_timestamp": "timestamptz",
        "transaction_id": "text",
        "velocity": "bigint",
        "score": "int",
        "risk_level": "text",
        "rules": "text",
    }
    stage(cursor, "staged_scores", types, wrong)
    cursor.execute(
        "update live.fraud_scores known set velocity_30m = new.velocity, score = new.score, "
        "risk_level = new.risk_level, rules_fired = string_to_array(coalesce(new.rules, ''), ' ') "
        "from staged_scores new where known.user_id = new.user_id "
        "and known.event_timestamp = new.event_timestamp and known.transaction_id = new.transaction_id"
    )
