"""The running aggregates of a batch."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from domain.enrichment import amount_bucket, risk_tier
from domain.money import to_minor, to_usd_minor
from domain.sketch import bucket_of, middle_of
from local.repository import ROOT
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator
from spark_jobs.stream import cubes

from .builders import NOON, SILVER_SCHEMA, payment, silver


def added(name: str, payments: pa.Table) -> pa.Table:
    return cubes.added_by(payments)[name]


def test_attempts_of_one_minute_currency_and_segment_share_a_row() -> None:
    declined = payment(
        is_approved=False, decline_reason="do_not_honor", attempt_number=2, risk_tier="HIGH", is_late=True
    )
    rows = added("payment_minutes", silver(payment(), declined)).to_pylist()
    assert rows == [
        {
            "minute": NOON,
            "currency": "EUR",
            "merchant_segment": "Retail",
            "attempts": 2,
            "approved": 1,
            "first_attempts": 1,
            "first_attempts_approved": 1,
            "amount_minor": 2468,
            "approved_amount_minor": 1234,
            "amount_usd_minor": 2666,
            "approved_amount_usd_minor": 1333,
            "fee_minor": 40,
            "latency_ms": 200,
            "high_risk": 1,
            "late": 1,
        }
    ]


def test_a_minute_ends_before_the_next_one_begins() -> None:
    last = payment(event_timestamp=NOON + timedelta(seconds=59, microseconds=999_999))
    rows = added("payment_minutes", silver(last, payment(event_timestamp=NOON + timedelta(minutes=1)))).to_pylist()
    assert [row["minute"] for row in rows] == [NOON, NOON + timedelta(minutes=1)]


def test_a_currency_without_a_dollar_rate_adds_no_dollars() -> None:
    rows = added("payment_minutes", silver(payment(currency="KWD", amount_usd_minor=None))).to_pylist()
    assert (rows[0]["amount_usd_minor"], rows[0]["amount_minor"]) == (0, 1234)


def test_rows_come_sorted_by_key_so_that_writers_lock_in_one_order() -> None:
    rows = added("payment_minutes", silver(payment(currency="USD"), payment(currency="EUR"))).to_pylist()
    assert [row["currency"] for row in rows] == ["EUR", "USD"]


def test_only_declines_are_counted_by_reason_and_a_missing_reason_is_named() -> None:
    declined = payment(is_approved=False)
    rows = added(
        "decline_minutes", silver(payment(), declined, declined | {"decline_reason": "expired_card"})
    ).to_pylist()
    assert [(row["decline_reason"], row["declines"], row["amount_minor"]) for row in rows] == [
        ("expired_card", 1, 1234),
        ("unstated", 1, 1234),
    ]


def test_the_hours_of_a_batch_are_distinct_and_in_order() -> None:
    later = payment(event_timestamp=NOON + timedelta(hours=3, minutes=59))
    hours = cubes.hours(silver(later, payment(), payment()).column("event_timestamp"))
    assert hours == [NOON, NOON + timedelta(hours=3)]


def test_an_empty_batch_adds_nothing() -> None:
    assert {name: rows.num_rows for name, rows in cubes.added_by(silver()).items()} == {
        cube.name: 0 for cube in cubes.CUBES
    }


def simulated() -> list[dict[str, Any]]:
    """Payments of ten minutes on both sides of an hour, some of them retries, as Silver has them."""
    schedule = Schedule(5.0, int((NOON - timedelta(minutes=5)).timestamp() * 1000), purchases=3000)
    scenario = Scenario(seed=7, schedule=schedule, customers=2000, merchants=50, bad_shares={})
    return list(map(enriched, (one for one in Simulator(scenario) if one.topic == "payments.transactions")))


def enriched(event: Any) -> dict[str, Any]:
    fields = event.record
    amount, currency = fields["amount"], fields["currency"]
    row = {
        **fields,
        "event_timestamp": datetime.fromtimestamp(event.event_time_ms / 1000, UTC),
        "event_date": None,
        "amount_minor": to_minor(amount, currency),
        "amount_usd_minor": to_usd_minor(amount, currency),
        "fee_minor": to_minor(fields["fee_amount"], currency),
        "risk_tier": risk_tier(fields["fraud_score"]),
        "amount_bucket": amount_bucket(amount),
        "is_cross_border": fields["merchant_country"] != fields["issuer_country"],
        "is_late": False,
    }
    return {name: row[name] for name in SILVER_SCHEMA.names}


def counted(row: dict[str, Any]) -> Iterator[tuple[str, tuple[object, ...], dict[str, int]]]:
    """What one attempt adds to which row of which hourly cube, by the written definitions."""
    hour = row["event_timestamp"].replace(minute=0, second=0, microsecond=0)
    usd, paid = row["amount_usd_minor"] or 0, int(row["is_approved"])
    first, segment = int(row["attempt_number"] == 1), row["merchant_segment"]
    rate = Fraction(usd, row["amount_minor"]) if row["amount_minor"] else Fraction(0)
    fee = math.floor(row["fee_minor"] * rate + Fraction(1, 2))
    reason = None if row["is_approved"] else row["decline_reason"] or "unstated"
    outcome = (row["three_ds_outcome"] or "none") if row["uses_3ds"] else "none"
    false = int(reason in ("fraud_suspected", "do_not_honor") and row["risk_tier"] == "LOW")
    common = {
        "attempts": 1, "approved": paid, "first_attempts": first, "first_attempts_approved": first * paid,
        "amount_usd_minor": usd, "approved_amount_usd_minor": paid * usd, "fee_usd_minor": fee,
        "latency_ms": row["processing_latency_ms"],
    }  # fmt: skip
    yield "solution_hours", (hour, row["payment_solution"], row["processor"], row["card_network"], segment), {
        **common, "network_tokens": int(row["is_network_token"]), "pipeline_errors": int(row["pipeline_error"]),
        "late": int(row["is_late"]),
    }  # fmt: skip
    countries = row["merchant_country"], row["issuer_country"]
    yield "geography_hours", (hour, *countries, row["is_cross_border"], segment), common
    yield "merchant_hours", (hour, row["merchant_id"], segment, row["merchant_country"]), common
    yield "three_ds_hours", (hour, row["uses_3ds"], outcome, row["card_network"], row["issuer_country"]), {
        **common, "frictionless": int(outcome == "frictionless"),
        "challenges": int(outcome in ("challenge_passed", "challenge_failed")),
        "challenges_passed": int(outcome == "challenge_passed"),
    }  # fmt: skip
    score = min(max(row["fraud_score"], 0.0), 1.0)
    yield "risk_hours", (hour, row["risk_tier"], row["amount_bucket"], segment), {
        **common, "fraud_score_micros": math.floor(score * 1e6 + 0.5),
        "fraud_suspected": int(reason == "fraud_suspected"), "false_declines": false,
    }  # fmt: skip
    yield "financial_hours", (hour, row["currency"], segment), {
        "attempts": 1, "approved": paid, "amount_minor": row["amount_minor"],
        "approved_amount_minor": paid * row["amount_minor"], "amount_usd_minor": usd,
        "approved_amount_usd_minor": paid * usd, "fee_minor": row["fee_minor"], "fee_usd_minor": fee,
        "false_declined_amount_usd_minor": false * usd,
    }  # fmt: skip
    latency = max(row["processing_latency_ms"], 1)
    bucket = math.ceil(math.log(latency) / math.log(1.01 / 0.99))
    yield "latency_hours", (hour, row["processor"], bucket), {"attempts": 1}
    if reason:
        key = (hour, reason, row["processor"], segment, row["card_network"], row["currency"])
        yield "decline_hours", key, {"declines": 1, "amount_minor": row["amount_minor"], "amount_usd_minor": usd}
    if not first:
        wait = row["minutes_since_decline"]
        bounds = [(5, "under_5_minutes"), (60, "under_1_hour"), (1440, "under_1_day"), (math.inf, "longer")]
        waited = next(name for limit, name in bounds if wait < limit) if wait is not None else "unknown"
        key = (hour, min(row["attempt_number"], 5), row["previous_decline_reason"] or "unstated", waited)
        yield "retry_hours", key, {
            "retries": 1, "recovered": paid, "amount_usd_minor": usd, "recovered_amount_usd_minor": paid * usd,
        }  # fmt: skip


def test_every_hourly_cube_is_what_a_count_one_by_one_gives() -> None:
    rows = simulated()
    wanted: dict[str, dict[tuple[object, ...], Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows:
        for name, key, measures in counted(row):
            wanted[name][key].update(measures)
    found = cubes.added_by(silver(*rows))
    assert wanted.keys() == {cube.name for cube in cubes.CUBES if cube.time == "hour"}
    assert all(wanted.values())
    for cube in cubes.CUBES:
        if cube.time == "hour":
            seen = {
                tuple(row[name] for name in cube.key): {name: row[name] for name in cube.measures}
                for row in found[cube.name].to_pylist()
            }
            assert seen == {key: dict(sums) for key, sums in wanted[cube.name].items()}, cube.name


@pytest.mark.parametrize("amount", [0, 1, 3, 10**12])
@pytest.mark.parametrize("fee", [-(10**12), -7, 0, 5, 10**12])
@pytest.mark.parametrize("usd", [0, 2, 10**12])
def test_fees_in_dollars_are_exact_beyond_64_bits(fee: int, amount: int, usd: int) -> None:
    wanted = (2 * fee * usd + amount) // (2 * amount) if amount else 0
    if abs(wanted) < 2**63:
        arrays = [pa.array([value], pa.int64()) for value in (fee, amount, usd)]
        assert cubes.fee_usd_minor(*arrays).to_pylist() == [wanted]


def test_a_bucket_holds_latencies_within_a_hundredth_of_its_middle() -> None:
    latencies = np.array([-5, 0, 1, 2, 3, 97, 1000, 3_600_000, 2**31 - 1])
    for latency, bucket in zip(latencies, cubes.latency_buckets(pa.array(latencies)).to_pylist(), strict=True):
        assert bucket == bucket_of(latency)
        assert abs(middle_of(bucket) - max(latency, 1)) <= 0.01001 * max(latency, 1)
    assert cubes.latency_buckets(pa.array([1])).to_pylist() == [0]


@pytest.mark.parametrize(
    ("minutes", "name"),
    [
        (0.0, "under_5_minutes"), (4.999, "under_5_minutes"), (5.0, "under_1_hour"), (60.0, "under_1_day"),
        (1440.0, "longer"), (math.inf, "longer"), (-1.0, "unknown"), (math.nan, "unknown"), (None, "unknown"),
    ],
)  # fmt: skip
def test_a_wait_is_told_by_its_upper_bound(minutes: float | None, name: str) -> None:
    retry = payment(attempt_number=9, minutes_since_decline=minutes)
    rows = added("retry_hours", silver(retry)).to_pylist()
    assert [(row["attempt_number"], row["previous_decline_reason"], row["wait_bucket"]) for row in rows] == [
        (5, "unstated", name)
    ]


@pytest.mark.parametrize(("score", "micros"), [(1.7, 1_000_000), (-0.2, 0), (math.nan, 1_000_000), (0.1, 100_000)])
def test_a_fraud_score_out_of_range_counts_as_the_nearest_bound(score: float, micros: int) -> None:
    rows = added("risk_hours", silver(payment(fraud_score=score))).to_pylist()
    assert rows[0]["fraud_score_micros"] == micros


def test_the_outcome_of_3ds_is_none_where_it_was_not_used() -> None:
    rows = added(
        "three_ds_hours",
        silver(payment(three_ds_outcome="frictionless"), payment(uses_3ds=True), payment(uses_3ds=False)),
    ).to_pylist()
    assert [(row["uses_3ds"], row["three_ds_outcome"], row["frictionless"]) for row in rows] == [
        (False, "none", 0),
        (True, "none", 0),
    ]


def test_declarations_are_the_tables_of_the_migrations() -> None:
    folder = ROOT / "postgres" / "migrations" / "sql"
    text = "".join((folder / name).read_text() for name in ("0001_live_and_ops.sql", "0008_cubes.sql"))
    for cube in cubes.CUBES:
        table = text.split(f"create table live.{cube.name} (")[1].split("\n)")[0]
        columns = re.findall(r"^    (\w+) (\w+) not null", table, re.M)
        assert columns == [(name, cube.type_of(name)) for name in cube.columns]
        assert f"primary key ({', '.join(cube.key)})" in table
