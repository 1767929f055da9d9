"""The running aggregates that a batch adds to the speed layer, computed in Arrow.

A cube is declared by its key and its measures. What its columns mean is derived once per batch for all of them
(`_facts`); sums are of integers, so that they are exact in whatever order batches come. The batch layer says the same
in SQL (dbt/macros/cubes.sql), and a data test of each cube holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import log

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.sketch import GAMMA

NO_REASON = "unstated"
"""Stands for the reason of a decline that names none."""
NO_OUTCOME = "none"
"""Stands for the outcome of 3-D Secure where it was not used or none is known."""
STAND_INS = {"decline_reason": NO_REASON, "previous_decline_reason": NO_REASON, "three_ds_outcome": NO_OUTCOME}
"""What a key is taken for where it is null."""
_TEXTS = ("merchant_id", "merchant_segment", "merchant_country", "issuer_country", "card_network", "currency",
          "payment_solution", "processor", "risk_tier", "amount_bucket", *STAND_INS)  # fmt: skip
_TRUTHS = ("is_approved", "is_cross_border", "is_late", "is_network_token", "pipeline_error", "uses_3ds")
_WHOLES = ("amount_minor", "amount_usd_minor", "fee_minor", "attempt_number", "processing_latency_ms")
INPUT: Mapping[str, pa.DataType] = {
    "event_timestamp": pa.timestamp("us", "UTC"),
    **dict.fromkeys(_TEXTS, pa.string()),
    **dict.fromkeys(_TRUTHS, pa.bool_()),
    **dict.fromkeys(_WHOLES, pa.int64()),
    **dict.fromkeys(("fraud_score", "minutes_since_decline"), pa.float64()),
}
"""The columns of an attempt that cubes are made of, and their types."""
MOST_ATTEMPTS = 5
"""From this attempt on, retries are counted together."""
_WAITS = ((5, "under_5_minutes"), (60, "under_1_hour"), (1440, "under_1_day"))
_LONG_WAIT, _NO_WAIT = "longer", "unknown"
_SAFE_PRODUCT = 2.0**62
_TYPES = {"minute": "timestamptz", "hour": "timestamptz", "bucket": "integer", "attempt_number": "integer"}
_FLAGS = ("is_cross_border", "uses_3ds")


@dataclass(frozen=True)
class Cube:
    """A table of schema live: what it is keyed by, its time first, and per measure the fact that it sums."""

    name: str
    key: tuple[str, ...]
    measures: Mapping[str, str]
    rows: str = ""
    """The fact that tells which attempts count; all when empty."""

    @property
    def time(self) -> str:
        """The column that says when: minute or hour."""
        return self.key[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """Key and measures."""
        return (*self.key, *self.measures)

    def type_of(self, column: str) -> str:
        """The type that a column has in Postgres."""
        if column in self.measures:
            return "bigint"
        return "boolean" if column in _FLAGS else _TYPES.get(column, "text")


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_OUTCOME = _same("attempts", "approved", "first_attempts", "first_attempts_approved")
_DOLLARS = _same("amount_usd_minor", "approved_amount_usd_minor", "fee_usd_minor")
_MONEY = _same("amount_minor", "approved_amount_minor", "amount_usd_minor", "approved_amount_usd_minor", "fee_minor")
_COMMON = {**_OUTCOME, **_DOLLARS, **_same("latency_ms")}
_DECLINES = {"declines": "attempts", **_same("amount_minor", "amount_usd_minor")}

CUBES = (
    Cube("payment_minutes", ("minute", "currency", "merchant_segment"),
         {**_OUTCOME, **_MONEY, **_same("latency_ms", "high_risk", "late")}),
    Cube("decline_minutes", ("minute", "decline_reason", "currency"), _DECLINES, "is_declined"),
    Cube("solution_hours", ("hour", "payment_solution", "processor", "card_network", "merchant_segment"),
         {**_COMMON, **_same("network_tokens", "pipeline_errors", "late")}),
    Cube("geography_hours", ("hour", "merchant_country", "issuer_country", "is_cross_border", "merchant_segment"),
         _COMMON),
    Cube("merchant_hours", ("hour", "merchant_id", "merchant_segment", "merchant_country"), _COMMON),
    Cube("three_ds_hours", ("hour", "uses_3ds", "three_ds_outcome", "card_network", "issuer_country"),
         {**_COMMON, **_same("frictionless", "challenges", "challenges_passed")}),
    Cube("risk_hours", ("hour", "risk_tier", "amount_bucket", "merchant_segment"),
         {**_COMMON, **_same("fraud_score_micros", "fraud_suspected", "false_declines")}),
    Cube("retry_hours", ("hour", "attempt_number", "previous_decline_reason", "wait_bucket"),
         {"retries": "attempts", "recovered": "approved", "amount_usd_minor": "amount_usd_minor",
          "recovered_amount_usd_minor": "approved_amount_usd_minor"}, "is_retry"),
    Cube("financial_hours", ("hour", "currency", "merchant_segment"),
         {**_same("attempts", "approved"), **_MONEY, **_same("fee_usd_minor", "false_declined_amount_usd_minor")}),
    Cube("decline_hours", ("hour", "decline_reason", "processor", "merchant_segment", "card_network", "currency"),
         _DECLINES, "is_declined"),
    Cube("latency_hours", ("hour", "processor", "bucket"), _same("attempts")),
)  # fmt: skip
"""In the order in which every writer goes through them, so that two of them never wait for each other."""


def added_by(payments: pa.Table) -> dict[str, pa.Table]:
    """What the attempts add to each cube, by its name: key and measures, sorted by key.

    Amounts are integers of the currency's minor unit; dollars of a currency without a rate count as 0.
    """
    facts = _facts(payments)
    return {cube.name: _summed(cube, facts) for cube in CUBES}


def hours(instants: pa.ChunkedArray) -> list[datetime]:
    """The distinct hours that the instants lie in, in order."""
    return sorted(pc.unique(pc.floor_temporal(instants, unit="hour")).to_pylist())


def _facts(payments: pa.Table) -> dict[str, pa.Array]:
    """All that a cube may be keyed by or sum, a value per attempt."""
    given = {name: payments.column(name).combine_chunks().cast(kind) for name, kind in INPUT.items()}
    given |= {name: pc.fill_null(given[name], stand_in) for name, stand_in in STAND_INS.items()}
    approved, cents, reason = given["is_approved"], pc.fill_null(given["amount_usd_minor"], 0), given["decline_reason"]
    is_first = pc.equal(given["attempt_number"], 1)
    outcome = pc.if_else(given["uses_3ds"], given["three_ds_outcome"], NO_OUTCOME)
    is_false = pc.and_(
        pc.is_in(reason, pa.array(["fraud_suspected", "do_not_honor"])),
        pc.and_(pc.equal(given["risk_tier"], "LOW"), pc.invert(approved)),
    )
    return given | {
        "minute": pc.floor_temporal(given["event_timestamp"], unit="minute"),
        "hour": pc.floor_temporal(given["event_timestamp"], unit="hour"),
        "three_ds_outcome": outcome,
        "attempt_number": pc.min_element_wise(given["attempt_number"], MOST_ATTEMPTS),
        "wait_bucket": _waits(given["minutes_since_decline"]),
        "bucket": latency_buckets(given["processing_latency_ms"]),
        "is_declined": pc.invert(approved),
        "is_retry": pc.greater(given["attempt_number"], 1),
        "attempts": pa.array(np.ones(payments.num_rows, dtype=np.int64)),
        "approved": _count(approved),
        "first_attempts": _count(is_first),
        "first_attempts_approved": _count(pc.and_(is_first, approved)),
        "approved_amount_minor": _where(approved, given["amount_minor"]),
        "amount_usd_minor": cents,
        "approved_amount_usd_minor": _where(approved, cents),
        "fee_usd_minor": fee_usd_minor(given["fee_minor"], given["amount_minor"], cents),
        "latency_ms": given["processing_latency_ms"],
        "high_risk": _count(pc.equal(given["risk_tier"], "HIGH")),
        "late": _count(given["is_late"]),
        "network_tokens": _count(given["is_network_token"]),
        "pipeline_errors": _count(given["pipeline_error"]),
        "frictionless": _count(pc.equal(outcome, "frictionless")),
        "challenges": _count(pc.starts_with(outcome, "challenge")),
        "challenges_passed": _count(pc.equal(outcome, "challenge_passed")),
        "fraud_score_micros": _micros(given["fraud_score"]),
        "fraud_suspected": _count(pc.and_(pc.invert(approved), pc.equal(reason, "fraud_suspected"))),
        "false_declines": _count(is_false),
        "false_declined_amount_usd_minor": _where(is_false, cents),
    }


def fee_usd_minor(fee: pa.Array, amount: pa.Array, amount_usd: pa.Array) -> pa.Array:
    """Fees in US cents at the rate of their amount, halves up; 0 where the amount is less than a minor unit.

    Products that 64 bits do not hold are reckoned in Python's integers.
    """
    fees, whole, cents = (np.asarray(column.to_numpy(zero_copy_only=False)) for column in (fee, amount, amount_usd))
    divisor = 2 * np.where(whole > 0, whole, 1)
    with np.errstate(over="ignore"):
        dollars = (2 * fees * cents + whole) // divisor
    for at in np.flatnonzero((whole > 0) & (np.abs(2.0 * fees * cents) + whole >= _SAFE_PRODUCT)):
        dollars[at] = (2 * int(fees[at]) * int(cents[at]) + int(whole[at])) // int(divisor[at])
    return pa.array(np.where(whole > 0, dollars, 0))


def latency_buckets(milliseconds: pa.Array) -> pa.Array:
    """`domain.sketch.bucket_of` of each latency."""
    logs = np.log(np.maximum(np.asarray(milliseconds.to_numpy(zero_copy_only=False)), 1).astype(np.float64))
    return pa.array(np.ceil(logs / log(GAMMA)).astype(np.int32))


def _waits(minutes: pa.Array) -> pa.Array:
    """How long a retry waited, in words; `unknown` where that is not said or makes no sense."""
    makes_sense = pc.fill_null(pc.greater_equal(minutes, 0), False)
    conditions = [pc.invert(makes_sense), *(pc.fill_null(pc.less(minutes, limit), False) for limit, _ in _WAITS)]
    named = pc.make_struct(*conditions, field_names=[_NO_WAIT, *(name for _, name in _WAITS)])
    return pc.case_when(named, _NO_WAIT, *(name for _, name in _WAITS), _LONG_WAIT)


def _micros(score: pa.Array) -> pa.Array:
    """Millionths of a score, which is clamped to 0..1; what is no number counts as 1, the worst."""
    values = np.asarray(score.to_numpy(zero_copy_only=False), dtype=np.float64)
    clamped = np.clip(np.where(np.isnan(values), 1.0, values), 0.0, 1.0)
    return pa.array(np.floor(clamped * 1e6 + 0.5).astype(np.int64))


def _count(condition: pa.Array) -> pa.Array:
    return pc.cast(pc.fill_null(condition, False), pa.int64())


def _where(condition: pa.Array, value: pa.Array) -> pa.Array:
    return pc.if_else(condition, value, 0)


def _summed(cube: Cube, facts: Mapping[str, pa.Array]) -> pa.Table:
    """Sums of the measures per key, sorted by key so that concurrent writers lock rows in one order."""
    keys = {name: facts[name] for name in cube.key}
    table = pa.table({**keys, **{name: facts[fact] for name, fact in cube.measures.items()}})
    if cube.rows:
        table = table.filter(facts[cube.rows])
    summed = table.group_by(list(keys), use_threads=False).aggregate([(name, "sum") for name in cube.measures])
    summed = summed.select([*keys, *(f"{name}_sum" for name in cube.measures)]).rename_columns(cube.columns)
    return summed.sort_by([(key, "ascending") for key in keys])
