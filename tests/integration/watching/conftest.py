"""A Postgres of these tests' own, and a log of inferences in it as the API would have written it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from local.platform import Platform
from local.ports import Ports
from ml.policy import watching as policy
from ml.watching import store
from ml.watching.reference import Reference
from ml.watching.settings import WatchingSettings
from ml.watching.watch import Watcher
from tests.unit.ml.watching.world import MODEL, World

VERSION = 3
BEGIN = datetime(2026, 3, 30, tzinfo=UTC)
LABEL_DELAY_DAYS = 0.25
DAYS = [date(2026, 3, 29) + timedelta(days=number) for number in range(6)]

_INFERENCE = """
    insert into ops.inferences (request_id, scored_at, model, version, arm, transaction_id, request, score, scores,
        decision, latency_us, experiment, split_key, policy_rules, reasons)
    values (%(request_id)s, %(at)s, %(model)s, %(version)s, %(arm)s, %(transaction_id)s, %(request)s, %(score)s,
        %(scores)s, %(decision)s, 800, %(experiment)s, %(split_key)s, '{}', '[]')
"""
_PURCHASE = """
    insert into live.transactions values (%(transaction_id)s, %(at)s, 1, 10.0, 'm1', %(is_fraud)s, 'credit_card', null,
        null, 'd1', 'small', false, false, %(at)s, 0, 1)
"""
_ATTEMPT = """
    insert into live.payments values (%(event_id)s, %(transaction_id)s, %(at)s, 'm1', 'Retail', 'DE', 'DE', 'Rheinbank',
        'Visa', '411111', 1000, 1080, 'EUR', 'standard', %(processor)s, false, null, false, 0.1, 0.1, 0.9, 0.1,
        %(attempt_number)s, null, null, %(is_approved)s, null, 200, 20, false, 1, 'LOW', 'small', false, 0.1, false,
        %(at)s, 0, 1)
"""


@dataclass(frozen=True)
class Log:
    """Writes what the API and the stream write, as a superuser, and runs the watch in the stream's role."""

    connection: psycopg.Connection[tuple[Any, ...]]
    watching: psycopg.Connection[tuple[Any, ...]]
    url: str
    world: World

    def hours(self, first: int, count: int, shift: float = 0.0) -> None:
        """Requests and their purchases, hour by hour from BEGIN on."""
        inferences, purchases = [], []
        for number in range(first, first + count):
            hour = BEGIN + timedelta(hours=number)
            columns, answers, outcomes = self.world.hour(hour, shift)
            for row, (answer, outcome) in enumerate(zip(answers.tolist(), outcomes.tolist(), strict=True)):
                request = {name: values[row] for name, values in columns.items()}
                at = hour + timedelta(seconds=row)
                one = self.inference(at, request, answer, scores={"LOW": 1 - answer, "HIGH": answer})
                inferences.append(one)
                purchases.append({"transaction_id": one["transaction_id"], "at": at, "is_fraud": bool(outcome)})
        with self.connection.cursor() as cursor:
            cursor.executemany(_INFERENCE, inferences)
            cursor.executemany(_PURCHASE, purchases)

    def inference(self, at: datetime, request: dict[str, Any], score: float, **more: Any) -> dict[str, Any]:
        """A row of the log; write it with `add`."""
        identity = uuid4()
        row = {"request_id": identity, "at": at, "model": MODEL, "version": VERSION, "arm": "champion", "score": score}
        named = {"transaction_id": str(identity), "decision": "LOW", "experiment": None, "split_key": None}
        found = {**row, **named, "scores": None, **more}
        return {**found, "request": Jsonb(request), "scores": Jsonb(found["scores"]) if found["scores"] else None}

    def add(self, *rows: dict[str, Any]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(_INFERENCE, rows)

    def attempt(
        self, transaction_id: str, at: datetime, is_approved: bool, number: int = 1, processor: str = "A"
    ) -> None:
        values = {"event_id": str(uuid4()), "transaction_id": transaction_id, "at": at, "is_approved": is_approved}
        self.connection.execute(_ATTEMPT, {**values, "attempt_number": number, "processor": processor})

    def know(self, reference: Reference) -> None:
        """As if the reference had been fetched from MLflow before."""
        store.keep_reference(self.watching, (MODEL, VERSION), reference.to_json())

    def watch(self, hours: float) -> int:
        """One round of a watcher that was started just now, so many hours after BEGIN; how many hours were judged."""
        settings = WatchingSettings(DATABASE_URL=self.url, ML_LABEL_DELAY_DAYS=LABEL_DELAY_DAYS)
        watcher = Watcher(settings, policy(), Event())
        with store.connect(self.url) as connection:
            return watcher.round(connection, BEGIN + timedelta(hours=hours, minutes=11))

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("watching"), Ports.free()) as platform:
        platform.start("postgres", "migrate")
        today = datetime.now(UTC).date()
        with psycopg.connect(platform.site.database_url("postgres"), autocommit=True) as connection:
            connection.execute("set timezone = 'UTC'")
            for day in [*DAYS, today - timedelta(days=1), today]:
                connection.execute(
                    f"create table ops.inferences_{day:%Y%m%d} partition of ops.inferences "
                    f"for values from ('{day}') to ('{day + timedelta(days=1)}')"
                )
        yield platform


@pytest.fixture(scope="session")
def database(own: Platform) -> str:
    return own.site.database_url("stream")


@pytest.fixture(scope="session")
def world() -> World:
    return World(rows=150)


@pytest.fixture(scope="session")
def reference(world: World) -> Reference:
    return world.reference()


@pytest.fixture
def log(own: Platform, database: str, world: World) -> Iterator[Log]:
    with (
        psycopg.connect(own.site.database_url("postgres"), autocommit=True) as connection,
        store.connect(database) as watching,
    ):
        connection.execute("select live.ensure_partitions('transactions', %s::date[])", [DAYS])
        connection.execute("select live.ensure_partitions('payments', %s::date[])", [DAYS])
        for table in ("live.transactions", "live.payments", "ops.inferences", "ops.inference_outcomes", "ops.drift"):
            connection.execute(f"delete from {table}")
        for table in ("model_hours", "model_references", "watching_progress", "retraining_requests"):
            connection.execute(f"delete from ops.{table}")
        yield Log(connection, watching, database, world)
