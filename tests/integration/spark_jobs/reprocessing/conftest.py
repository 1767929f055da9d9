"""A lake and a speed layer as the stream leaves them: batches of made-up messages, written by the stream's own sink."""

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial, reduce
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import DataFrame, SparkSession

from domain.contracts import Channel, Topic, avro_schema_text, topics
from local.artifacts import ensure
from local.platform import Platform
from spark_jobs.decode import HEADER_BYTES, wire_header
from spark_jobs.lake import Lake
from spark_jobs.records import Lateness, silver_records
from spark_jobs.registry import Schemas
from spark_jobs.reprocessing.outcome import Outcome
from spark_jobs.reprocessing.rebuild import Days
from spark_jobs.reprocessing.run import TABLES, Reprocessing
from spark_jobs.settings import StreamSettings
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.sink import Sink
from spark_jobs.stream.speed_layer import SpeedLayer
from tests.integration.spark_jobs.conftest import SCHEMA_ID, encode
from tests.integration.spark_jobs.events import payment, transaction

PAYMENTS = topics()["payments.transactions"]
PURCHASES = topics()["ecommerce.transactions"]
TOPICS = [PAYMENTS, PURCHASES]
NEW_SCHEMA_ID = 8
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)

Owner = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Message:
    """A message as Kafka holds it."""

    topic: Topic
    partition: int
    offset: int
    arrived_at: datetime
    value: bytes


class KnownSchemas(Schemas):
    """Knows one schema id, without a registry."""

    def _registered(self, topic: Channel) -> dict[int, str]:
        return {SCHEMA_ID: avro_schema_text(topic.name)}


@dataclass
class Log:
    """Kafka for the test: two partitions a topic."""

    chance: random.Random = field(default_factory=lambda: random.Random(4))
    ends: dict[tuple[str, int], int] = field(default_factory=dict)

    def send(self, topic: Topic, value: bytes, arrived_at: datetime) -> Message:
        """Append a message to some partition."""
        partition = self.chance.randrange(2)
        offset = self.ends.get((topic.name, partition), 0)
        self.ends[topic.name, partition] = offset + 1
        return Message(topic, partition, offset, arrived_at, value)

    def traffic(self, number: int, events: int) -> list[Message]:
        """Events around a midnight: repetitions, late ones, refused ones and rubbish among them."""
        sent = [one for at in range(events) for one in self._purchase(f"{number}-{at}", at)]
        again = [self.send(one.topic, one.value, one.arrived_at) for one in self.chance.sample(sent, len(sent) // 5)]
        return sent + again

    def _purchase(self, name: str, at: int) -> list[Message]:
        happened = MIDNIGHT + timedelta(seconds=self.chance.uniform(-3600, 3600))
        arrived = happened + timedelta(seconds=86_400 if at % 17 == 0 else self.chance.uniform(0, 90))
        amount = -1.0 if at % 11 == 0 else round(self.chance.uniform(1, 900), 2)
        milliseconds = int(happened.timestamp() * 1000)
        declined = self.chance.random() < 0.2
        paid = payment(
            event_id=f"e{name}", transaction_id=f"t{name}", event_timestamp=milliseconds, amount=amount,
            is_approved=not declined, decline_reason="do_not_honor" if declined and at % 3 else None,
            currency=self.chance.choice(["EUR", "USD", "JPY"]), issuer="a, \"b\"\nc" if at % 13 == 0 else "Rheinbank",
        )  # fmt: skip
        bought = transaction(
            transaction_id=f"t{name}", amount=amount, user_id=self.chance.randrange(5),
            timestamp=happened.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )  # fmt: skip
        values = [(PAYMENTS, encode(PAYMENTS, paid)), (PURCHASES, encode(PURCHASES, bought))]
        if at % 19 == 0:
            values.append((PAYMENTS, b"rubbish"))
        if at % 23 == 0:
            body = encode(PAYMENTS, payment(event_id=f"n{name}", event_timestamp=milliseconds))[HEADER_BYTES:]
            values.append((PAYMENTS, wire_header(NEW_SCHEMA_ID) + body))
        return [self.send(topic, value, arrived) for topic, value in values]


class Stream:
    """Writes batches as the running stream does, under the name of a checkpoint."""

    def __init__(self, name: str, spark: SparkSession, folder: Path, database_url: str) -> None:
        self._name = name
        self._spark = spark
        self._next = 0
        self._sink = Sink(
            query="money",
            topics=TOPICS,
            window=IdentityWindow(folder / name, 300),
            schemas=KnownSchemas("", folder / name / "schemas"),
            speed_layer=SpeedLayer(database_url),
            lake=Lake(str(folder / "lake")),
            alerts=None,
            stop=threading.Event(),
        )

    def write(self, messages: Sequence[Message]) -> None:
        """The next batch."""
        self._spark.sparkContext.setLocalProperty("sql.streaming.queryId", self._name)
        parts = [self._records(topic, [one for one in messages if one.topic == topic]) for topic in TOPICS]
        self._sink.write(reduce(partial(DataFrame.unionByName, allowMissingColumns=True), parts), self._next)
        self._next += 1

    def _records(self, topic: Topic, messages: list[Message]) -> DataFrame:
        rows = [(topic.name, one.partition, one.offset, one.arrived_at, b"k", one.value) for one in messages]
        columns = "topic string, partition int, offset long, arrived_at timestamp, key binary, value binary"
        known = {SCHEMA_ID: avro_schema_text(topic.name)}
        return silver_records(self._spark.createDataFrame(rows, columns), topic, known, Lateness(60))


@dataclass
class Site:
    """What the tests work on."""

    spark: SparkSession
    folder: Path
    database_url: str
    owner: Owner

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a command of its own."""
        return {
            "DATABASE_URL": self.database_url,
            "LAKE_URI": str(self.lake),
            "SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
            "STREAM_CHECKPOINT_DIR": str(self.folder / "checkpoints"),
            "STREAM_JARS_DIR": str(ensure("spark")),
            "STREAM_TOPICS": '["payments.transactions", "ecommerce.transactions"]',
            "SPARK_MASTER": "local[1]",
        }

    def stream(self, name: str) -> Stream:
        return Stream(name, self.spark, self.folder, self.database_url)

    def know(self, *schema_ids: int) -> None:
        """Keep these ids beside the checkpoint, so that no registry is needed."""
        for topic in TOPICS:
            KnownSchemas("", self.folder / "checkpoints" / "schemas")._keep(
                topic, dict.fromkeys(schema_ids, avro_schema_text(topic.name))
            )

    def reprocess(self, compare: bool = False) -> list[Outcome]:
        settings = StreamSettings(
            DATABASE_URL=self.database_url,
            LAKE_URI=str(self.lake),
            SCHEMA_REGISTRY_URL="http://127.0.0.1:1",
            checkpoint_dir=str(self.folder / "checkpoints"),
            topics=tuple(topic.name for topic in TOPICS),
        )
        return Reprocessing(self.spark, settings, Days(FIRST, LAST), TABLES, compare).run()

    def differing(self) -> dict[str, tuple[int, int, int]]:
        """Per table what a comparison finds: rows missing, extra and changed."""
        found: dict[str, tuple[int, int, int]] = {}
        for one in self.reprocess(compare=True):
            if one.differences:
                missing, extra, changed = found.get(one.table, (0, 0, 0))
                by = one.differences
                found[one.table] = (missing + by.missing, extra + by.extra, changed + by.changed)
        return found


@pytest.fixture
def site(platform: Platform, spark: SparkSession, tmp_path: Path) -> Iterator[Site]:
    platform.start("postgres", "migrate")
    with psycopg.connect(platform.site.database_url("postgres"), autocommit=True) as owner:
        names = owner.execute(
            "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables "
            "where schemaname in ('live', 'ops')"
        ).fetchone()
        assert names is not None
        owner.execute(f"truncate {names[0]} cascade")
        made = Site(spark, tmp_path, platform.site.database_url("stream"), owner)
        made.know(SCHEMA_ID)
        yield made
