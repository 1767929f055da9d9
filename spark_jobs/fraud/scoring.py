"""Scores the purchases of a batch, and revises those scored before whose velocity the batch raises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from psycopg import sql

from domain.fraud import VELOCITY, FraudScore, fraud_rules, score_of_rules, velocity_window_seconds
from spark_jobs.exchange import Cursor, ask, copy_in, copy_out, lines, stage
from spark_jobs.fraud import history
from spark_jobs.fraud.expressions import EVENT_RULES
from spark_jobs.fraud.groups import Int64s
from spark_jobs.fraud.history import MOST_RECENT, Known, Purchases, instants
from spark_jobs.fraud.velocity import Times, trailing_counts

COLUMNS: Mapping[str, pa.DataType] = {
    "user_id": pa.int32(),
    "event_timestamp": pa.timestamp("us", "UTC"),
    "transaction_id": pa.string(),
    "device_id": pa.string(),
    "merchant": pa.string(),
    "amount": pa.float64(),
    "user_transactions": pa.int64(),
    "user_amount_cents": pa.int64(),
    "user_seconds_since_last": pa.float64(),
    "user_transactions_30m": pa.int64(),
    "user_devices": pa.int64(),
    "is_new_device": pa.bool_(),
    "device_transactions": pa.int64(),
    "device_users": pa.int64(),
    "merchant_transactions": pa.int64(),
    "merchant_amount_cents": pa.int64(),
    "velocity_30m": pa.int64(),
    "score": pa.int32(),
    "risk_level": pa.string(),
    "rules_fired": pa.list_(pa.string()),
    "revision": pa.int32(),
}
"""Columns of fraud_scores, in Postgres and in the lake."""

_OF_THE_EVENT = ("user_id", "transaction_id", "device_id", "merchant", "amount")

SCHEMA = pa.schema(list(COLUMNS.items()))


_SPANS = f"""
    select {lines("number", "(extract(epoch from event_timestamp) * 1000000)::bigint")}
    from {{staged}} join live.fraud_scores using (user_id)
    where event_timestamp > after_at and event_timestamp <= until_at
"""


@dataclass(frozen=True)
class Revision:
    """A purchase scored before whose velocity a late purchase raised."""

    key: tuple[int, datetime, str]
    """user_id, event_timestamp, transaction_id."""
    device_id: str
    merchant: str
    amount: float
    velocity: int
    before: FraudScore
    after: FraudScore


@dataclass(frozen=True)
class Scores:
    """What a batch did: a row per purchase, columns as COLUMNS, and the scores that it revised."""

    rows: pa.Table = field(default_factory=SCHEMA.empty_table)
    revisions: tuple[Revision, ...] = ()


def score(cursor: Cursor, accepted: pa.Table) -> Scores:
    """Score Silver rows of purchases that were accepted just now, in the transaction that stores them."""
    if accepted.num_rows == 0:
        return Scores()
    purchases = Purchases.of(accepted)
    known = history.add(cursor, purchases)
    recent, is_guess = _neighbours(cursor, purchases, known)
    revisions = _revise(cursor, purchases, recent)
    rows = _rows(purchases, known, _velocities(purchases, recent, is_guess))
    copy_in(cursor, sql.Identifier("live", "fraud_scores"), _as_text(rows))
    return Scores(rows, tuple(revisions))


def stored(cursor: Cursor, purchases: pa.Table) -> Scores:
    """The scores of purchases that were scored before; `purchases` are Silver rows."""
    if purchases.num_rows == 0:
        return Scores()
    key = {"user_id": "int", "event_timestamp": "timestamptz", "transaction_id": "text"}
    stage(cursor, "staged_scored", key, purchases)
    return Scores(read(cursor, f"from staged_scored join live.fraud_scores using ({', '.join(key)})"))


def read(cursor: Cursor, source: str) -> pa.Table:
    """Rows of live.fraud_scores; `source` is the query from its `from` on."""
    texts = {"rules_fired": "array_to_string(rules_fired, ' ')"}
    instants = {"event_timestamp": "(extract(epoch from event_timestamp) * 1000000)::bigint"}
    chosen = ", ".join({**texts, **instants}.get(name, name) for name in COLUMNS)
    types = {**COLUMNS, "rules_fired": pa.string(), "event_timestamp": pa.int64(), "is_new_device": pa.string()}
    found = copy_out(cursor, f"select {chosen} {source}", types)
    lists = [text.split() for text in found.column("rules_fired").to_pylist()]
    columns = {
        **{name: found.column(name) for name in COLUMNS},
        "event_timestamp": found.column("event_timestamp").cast(pa.timestamp("us", "UTC")),
        "is_new_device": pa.compute.equal(found.column("is_new_device"), "t"),
        "rules_fired": pa.array(lists, COLUMNS["rules_fired"]),
    }
    return pa.table(columns, schema=SCHEMA)


def _window_us() -> int:
    return velocity_window_seconds() * 1_000_000


def _neighbours(cursor: Cursor, purchases: Purchases, known: Known) -> tuple[Times, npt.NDArray[np.bool_]]:
    """Times of the customers' earlier purchases, enough for every window of the batch.

    For a customer with a purchase too late for what is at hand they are looked up among all scores; one who bought so
    often that even these are too many is left as it is, and the late purchase is marked as a guess.
    """
    is_beyond = purchases.at_us - _window_us() < known.recent_from_us[purchases.of_user.codes]
    at_hand = np.bincount(known.recent.customers, minlength=purchases.of_user.count)
    is_frequent = (at_hand >= MOST_RECENT)[purchases.of_user.codes]
    asked = np.unique(purchases.of_user.codes[is_beyond & ~is_frequent])
    if len(asked) == 0:
        return known.recent, is_beyond & is_frequent
    found = _look_up(cursor, purchases, asked)
    others = known.recent.of(~np.isin(known.recent.customers, asked))
    both = Times(np.append(others.customers, found.customers), np.append(others.at, found.at))
    return both, is_beyond & is_frequent


def _look_up(cursor: Cursor, purchases: Purchases, customers: Int64s) -> Times:
    earliest = np.full(purchases.of_user.count, np.iinfo(np.int64).max)
    np.minimum.at(earliest, purchases.of_user.codes, purchases.at_us)
    latest = purchases.of_user.largest(purchases.at_us)
    staged = pa.table(
        {
            "number": customers,
            "user_id": purchases.user_ids[customers],
            "after_at": instants(earliest[customers] - _window_us()),
            "until_at": instants(latest[customers] + _window_us()),
        }
    )
    types = {"number": "int", "user_id": "int", "after_at": "timestamptz", "until_at": "timestamptz"}
    found = ask(cursor, _SPANS, types, staged, {"number": pa.int64(), "at": pa.int64()})
    return Times(found.column("number").to_numpy(), found.column("at").to_numpy())


def _velocities(purchases: Purchases, recent: Times, is_guess: npt.NDArray[np.bool_]) -> Int64s:
    own = trailing_counts(purchases.times, purchases.times, _window_us())
    counts = own + trailing_counts(purchases.times, recent, _window_us())
    return np.where(is_guess, MOST_RECENT, np.minimum(counts, MOST_RECENT))


def _rows(purchases: Purchases, known: Known, velocities: Int64s) -> pa.Table:
    bits = purchases.rows.column(EVENT_RULES).to_numpy() | _history_bits(velocities)
    distinct, which = np.unique(bits, return_inverse=True)
    scores = [score_of_rules(_names(int(one))) for one in distinct]
    chosen = pa.array(which)
    columns = {
        **{name: purchases.rows.column(name) for name in _OF_THE_EVENT},
        **{name: pa.array(values, from_pandas=True) for name, values in known.features.items()},
        "event_timestamp": instants(purchases.at_us),
        "user_transactions_30m": velocities,
        "velocity_30m": velocities,
        "score": pa.array([one.score for one in scores], pa.int32()).take(chosen),
        "risk_level": pa.array([one.risk_level for one in scores]).take(chosen),
        "rules_fired": pa.array([one.rules_fired for one in scores], COLUMNS["rules_fired"]).take(chosen),
        "revision": np.zeros(len(bits), dtype=np.int32),
    }
    return pa.table([columns[name] for name in COLUMNS], names=list(COLUMNS)).cast(SCHEMA)


def _history_bits(velocities: Int64s) -> Int64s:
    """Bits of the rules on velocity, asked once per distinct value."""
    distinct, which = np.unique(velocities, return_inverse=True)
    bits = [
        sum(1 << at for at, rule in enumerate(fraud_rules()) if rule.column == VELOCITY and rule.fires(int(value)))
        for value in distinct
    ]
    return np.array(bits, dtype=np.int64)[which]


def _names(bits: int) -> list[str]:
    return [rule.name for at, rule in enumerate(fraud_rules()) if bits >> at & 1]


def _revise(cursor: Cursor, purchases: Purchases, recent: Times) -> list[Revision]:
    """Count anew for every earlier purchase whose window holds one of the batch."""
    is_touched = trailing_counts(recent, purchases.times, _window_us()) > 0
    if not is_touched.any():
        return []
    touched = np.unique(np.stack([recent.customers[is_touched], recent.at[is_touched]]), axis=1)
    asked = Times(touched[0], touched[1])
    counts = trailing_counts(asked, recent, _window_us()) + trailing_counts(asked, purchases.times, _window_us())
    staged = pa.table(
        {
            "user_id": purchases.user_ids[asked.customers],
            "event_timestamp": instants(asked.at),
            "velocity": np.minimum(counts, MOST_RECENT),
        }
    )
    types = {"user_id": "int", "event_timestamp": "timestamptz", "velocity": "bigint"}
    stage(cursor, "staged_velocities", types, staged)
    cursor.execute(
        "select user_id, event_timestamp, transaction_id, device_id, merchant, amount, velocity, rules_fired "
        "from staged_velocities "
        "join live.fraud_scores using (user_id, event_timestamp) where velocity_30m <> velocity "
        "order by user_id, event_timestamp, transaction_id for update of fraud_scores"
    )
    revisions = [_revision(*row) for row in cursor.fetchall()]  # type: ignore[arg-type]
    _store(cursor, revisions)
    return revisions


def _revision(
    user_id: int,
    at: datetime,
    transaction_id: str,
    device: str,
    merchant: str,
    amount: float,
    velocity: int,
    fired: Any,
) -> Revision:
    kept = [rule.name for rule in fraud_rules() if rule.column != VELOCITY and rule.name in fired]
    new = [rule.name for rule in fraud_rules() if rule.column == VELOCITY and rule.fires(velocity)]
    before, after = score_of_rules(fired), score_of_rules([*kept, *new])
    return Revision((user_id, at, transaction_id), device, merchant, amount, velocity, before, after)


def _store(cursor: Cursor, revisions: list[Revision]) -> None:
    if not revisions:
        return
    user_ids, instants_, transaction_ids = (list(part) for part in zip(*(one.key for one in revisions), strict=True))
    cursor.execute(
        "update live.fraud_scores known set velocity_30m = new.velocity, score = new.score, "
        "risk_level = new.risk_level, rules_fired = string_to_array(new.rules, ' '), revision = known.revision + 1 "
        "from unnest(%s::int[], %s::timestamptz[], %s::text[], %s::bigint[], %s::int[], %s::text[], %s::text[]) "
        "new (user_id, event_timestamp, transaction_id, velocity, score, risk_level, rules) "
        "where known.user_id = new.user_id and known.event_timestamp = new.event_timestamp "
        "and known.transaction_id = new.transaction_id",
        [
            user_ids, instants_, transaction_ids, [one.velocity for one in revisions],
            [one.after.score for one in revisions], [one.after.risk_level for one in revisions],
            [" ".join(one.after.rules_fired) for one in revisions],
        ],
    )  # fmt: skip
    cursor.execute(
        "insert into live.fraud_score_revisions select * from unnest(%s::int[], %s::timestamptz[], %s::text[]) "
        "on conflict (user_id, event_timestamp, transaction_id) do update set revised_at = clock_timestamp()",
        [user_ids, instants_, transaction_ids],
    )


def _as_text(rows: pa.Table) -> pa.Table:
    """With the names of the rules as Postgres writes an array."""
    joined = pa.compute.binary_join(rows.column("rules_fired").combine_chunks(), ",")
    text = pa.compute.binary_join_element_wise("{", joined, "}", "")
    return rows.set_column(rows.column_names.index("rules_fired"), "rules_fired", text)
