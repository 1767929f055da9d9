"""The simulator's attempts and checkouts as the stream would have accepted them, put straight into the speed layer."""

import math
from datetime import datetime
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from benchmarks.stream_rows import Row, as_table, checkout, payment
from producer.events import Event
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator
from spark_jobs.exchange import copy_in
from spark_jobs.stream.detail import PAYMENTS, TRANSACTIONS
from spark_jobs.stream.speed_layer import aggregate

STRANGE: list[Row] = [
    {"fraud_score": 1.7},
    {"fraud_score": math.nan, "risk_tier": "HIGH"},
    {"fraud_score": -0.2, "processing_latency_ms": -40},
    {"currency": "KWD", "amount_minor": 12_345, "amount_usd_minor": None},
    {"currency": "XYZ", "amount_usd_minor": None},
    {"amount_minor": 0, "amount_usd_minor": 0, "fee_minor": 1},
    {"fee_minor": -7},
    {"amount_minor": 10**12, "amount_usd_minor": 127 * 10**10, "fee_minor": 10**12},
    {"processing_latency_ms": 2**31 - 1},
    {"processing_latency_ms": 0},
    {"attempt_number": 9, "previous_decline_reason": None, "minutes_since_decline": None},
    {"attempt_number": 2, "previous_decline_reason": "moon_phase", "minutes_since_decline": math.nan},
    {"attempt_number": 5, "previous_decline_reason": "do_not_honor", "minutes_since_decline": 1440.0},
    {"attempt_number": 3, "previous_decline_reason": "do_not_honor", "minutes_since_decline": -1.0},
    {"is_approved": False, "decline_reason": None, "risk_tier": "LOW"},
    {"is_approved": False, "decline_reason": "moon_phase"},
    {"uses_3ds": False, "three_ds_outcome": "challenge_passed"},
    {"uses_3ds": True, "three_ds_outcome": None},
    {"uses_3ds": True, "three_ds_outcome": "challenge_abandoned"},
    {"merchant_id": 'a "quoted", \\back\\ slash\n{brace}', "card_network": "", "merchant_segment": "Épicerie ✓"},
    {"issuer_country": "NA", "merchant_country": "NULL"},
]
"""Changes of an attempt that a schema allows and the stream accepts."""


def events(seed: int, purchases: int, first: datetime, rate: float) -> tuple[list[Row], list[Row]]:
    """Attempts and checkouts as rows of live.payments and live.transactions; more purchases are frauds than usual."""
    schedule = Schedule(rate, int(first.timestamp() * 1000), purchases=purchases)
    scenario = Scenario(seed, schedule, namespace=str(seed), customers=2000, merchants=40, bad_shares={})
    payments, checkouts = [], []
    for event in Simulator(scenario):
        if event.topic == "payments.transactions":
            payments.append(_payment(event))
        elif event.topic == "ecommerce.transactions":
            checkouts.append(_checkout(event, len(checkouts)))
    return payments, checkouts


def strange(payments: list[Row], changed: list[Row] = STRANGE) -> list[Row]:
    """An attempt for each of the changes, at the times and with the other fields of ordinary ones."""
    return [
        {**row, **changes, "event_id": f"strange-{number}"}
        for number, (row, changes) in enumerate(zip(payments[: len(changed)], changed, strict=True))
    ]


def write(connection: psycopg.Connection[Any], payments: list[Row], checkouts: list[Row]) -> None:
    """Commit them as one batch, as the stream would: rows, cubes, versions and progress in one transaction."""
    paid, bought = as_table(PAYMENTS, payments), as_table(TRANSACTIONS, checkouts)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set local timezone = 'UTC'")
        for table, rows in ((PAYMENTS, paid), (TRANSACTIONS, bought)):
            days = sorted({one.date() for one in rows.column("event_timestamp").to_pylist()})
            cursor.execute("select live.ensure_partitions(%s, %s::date[])", [table.name, days])
            copy_in(cursor, sql.Identifier("live", table.name), rows)
        aggregate(cursor, paid, bought)
        newest = max(row["event_timestamp"] for row in [*payments, *checkouts])
        cursor.execute(
            "insert into live.progress as known values ('money', 0, %s, clock_timestamp()) on conflict (query) "
            "do update set newest_event_at = greatest(known.newest_event_at, excluded.newest_event_at)",
            [newest],
        )


def register(database: duckdb.DuckDBPyConnection, payments: list[Row], checkouts: list[Row]) -> None:
    """Make the tables `payments` and `checkouts` of the same rows."""
    for name, table, rows in (("payments", PAYMENTS, payments), ("checkouts", TRANSACTIONS, checkouts)):
        database.register("given", as_table(table, rows))
        database.execute(f"create or replace table {name} as select * from given")
        database.unregister("given")


def _payment(event: Event) -> Row:
    return {**payment(event), "is_late": _is_late(event)}


def _checkout(event: Event, number: int) -> Row:
    is_fraud = event.record["is_fraud"] or number % 40 == 0
    return {**checkout(event), "is_late": _is_late(event), "is_fraud": is_fraud}


def _is_late(event: Event) -> bool:
    """More of them than there are."""
    return event.event_time_ms % 97 == 0
