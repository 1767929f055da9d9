"""A stand-in for the stream: writes attempts, their cubes, versions and progress in one transaction."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import psycopg
import pyarrow as pa

from domain.money import minor_unit_exponent, to_usd_minor
from spark_jobs.stream.detail import PAYMENTS
from spark_jobs.stream.speed_layer import aggregate
from tests.integration.gold.simulated import as_table

SEGMENTS = ("Retail", "Travel", "Gaming")
CURRENCIES = ("EUR", "JPY", "KWD")
REASONS = ("do_not_honor", "stolen_card", "moon_phase", None)
NO_REASON = "unstated"


@dataclass(frozen=True)
class Attempt:
    """What the views look at; the rest of a row is filled with constants."""

    event_id: str
    at: datetime
    segment: str
    currency: str
    amount_minor: int
    attempt_number: int
    is_approved: bool
    decline_reason: str | None
    latency_ms: int
    risk_tier: str
    is_late: bool

    @property
    def usd_minor(self) -> int | None:
        return to_usd_minor(self.amount_minor / 10 ** minor_unit_exponent(self.currency), self.currency)

    @property
    def minute(self) -> datetime:
        return self.at.replace(second=0, microsecond=0)

    @property
    def hour(self) -> datetime:
        return self.minute.replace(minute=0)


def random_attempts(seed: int, instants: Iterable[datetime]) -> list[Attempt]:
    """One attempt per instant, of every kind that the views tell apart."""
    dice = random.Random(seed)
    return [_random_attempt(dice, f"{seed}-{number}", at) for number, at in enumerate(instants)]


def _random_attempt(dice: random.Random, event_id: str, at: datetime) -> Attempt:
    is_approved = dice.random() < 0.7
    return Attempt(
        event_id=event_id,
        at=at,
        segment=dice.choice(SEGMENTS),
        currency=dice.choice(CURRENCIES),
        amount_minor=dice.randint(1, 500_000),
        attempt_number=dice.choice((1, 1, 2, 3)),
        is_approved=is_approved,
        decline_reason=None if is_approved else dice.choice(REASONS),
        latency_ms=dice.randint(20, 900),
        risk_tier=dice.choice(("LOW", "MEDIUM", "HIGH")),
        is_late=dice.random() < 0.1,
    )


def random_instants(seed: int, count: int, first: datetime, last: datetime) -> list[datetime]:
    """Instants spread evenly at random, to the microsecond."""
    dice = random.Random(seed)
    return [
        first + timedelta(microseconds=int(dice.random() * ((last - first) / timedelta(microseconds=1))))
        for _ in range(count)
    ]


def write_batch(connection: psycopg.Connection, batch_id: int, attempts: Sequence[Attempt]) -> None:
    """Commit one batch as the stream would."""
    with connection.transaction(), connection.cursor() as cursor:
        days = sorted({attempt.at.date() for attempt in attempts})
        cursor.execute("select live.ensure_partitions('payments', %s::date[])", [days])
        cursor.executemany(f"insert into live.payments values ({', '.join(['%s'] * 39)})", map(_row, attempts))
        rows = [dict(zip(PAYMENTS.columns, _row(one), strict=True)) for one in attempts]
        aggregate(cursor, as_table(PAYMENTS, rows), pa.table({}))
        cursor.execute(
            "insert into live.progress as known values ('medallion', %s, %s, clock_timestamp()) on conflict (query) do "
            "update set batch_id = excluded.batch_id, committed_at = excluded.committed_at, "
            "newest_event_at = greatest(known.newest_event_at, excluded.newest_event_at)",
            [batch_id, max(attempt.at for attempt in attempts)],
        )


def _row(one: Attempt) -> tuple[object, ...]:
    return (
        one.event_id, f"t-{one.event_id}", one.at, "m1", one.segment, "DE", "DE", "Rheinbank", "Visa", "411111",
        one.amount_minor, one.usd_minor, one.currency, "standard", "ProcessorA", False, None, False, 0.1, 0.1, 0.9, 0.0,
        one.attempt_number, None, None, one.is_approved, one.decline_reason, one.latency_ms, 1, False, 1, one.risk_tier,
        "small", False, 0.1, one.is_late, one.at, 0, 0,
    )  # fmt: skip


def moved(attempt: Attempt, event_id: str, at: datetime) -> Attempt:
    """The same attempt under another identity and time."""
    return replace(attempt, event_id=event_id, at=at)
