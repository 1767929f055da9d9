"""Purchases in any order, and how they reach the scores."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pyarrow as pa

from domain import history
from local.platform import Platform
from spark_jobs.fraud import scoring
from spark_jobs.fraud.expressions import EVENT_RULES

Connection = psycopg.Connection[tuple[Any, ...]]

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


@dataclass(frozen=True)
class Bought:
    """A purchase of the test, and where it lies in Kafka."""

    number: int
    user_id: int
    device_id: str
    merchant: str
    amount: float
    at: datetime

    @property
    def as_domain(self) -> history.Purchase:
        return history.Purchase(self.user_id, self.device_id, self.merchant, self.amount, self.at)


def connect(platform: Platform) -> Connection:
    return psycopg.connect(platform.site.database_url("stream"), autocommit=True)


def rows(batch: Sequence[Bought]) -> pa.Table:
    return pa.table(
        {
            "transaction_id": [f"t{one.number}" for one in batch],
            "user_id": pa.array([one.user_id for one in batch], pa.int32()),
            "device_id": [one.device_id for one in batch],
            "merchant": [one.merchant for one in batch],
            "amount": [one.amount for one in batch],
            "event_timestamp": pa.array([one.at for one in batch], pa.timestamp("us", "UTC")),
            "source_partition": pa.array([0] * len(batch), pa.int32()),
            "source_offset": pa.array([one.number for one in batch], pa.int64()),
            EVENT_RULES: pa.array([0] * len(batch), pa.int64()),
        }
    )


def commit(connection: Connection, batch: Sequence[Bought]) -> scoring.Scores:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set local datestyle = 'ISO'")
        return scoring.score(cursor, rows(batch))


def stored(connection: Connection) -> dict[str, dict[str, Any]]:
    with connection.transaction(), connection.cursor() as cursor:
        return {row["transaction_id"]: row for row in scoring.read(cursor, "from live.fraud_scores").to_pylist()}


def world(seed: int, size: int) -> list[Bought]:
    """Purchases of few customers, in order of arrival: mostly in order of time, some minutes late, a few hours late."""
    chance = random.Random(seed)
    numbers = count()
    bought = []
    for step in range(size):
        late = chance.choice([0, 0, 0, 0, 5, 40, 300]) * chance.random()
        at = NOON + timedelta(seconds=step * 45) - timedelta(minutes=late)
        at = at.replace(microsecond=0) if chance.random() < 0.5 else at
        bought.append(
            Bought(
                next(numbers), chance.randrange(4), f"d{chance.randrange(6)}", f"m{chance.randrange(3)}",
                round(chance.uniform(0.01, 9000), 2), at,
            )
        )  # fmt: skip
    return bought


def batches(everything: Sequence[Bought], seed: int) -> Iterator[Sequence[Bought]]:
    chance, begin = random.Random(seed), 0
    while begin < len(everything):
        size = chance.choice([1, 3, 20, 60])
        yield everything[begin : begin + size]
        begin += size
