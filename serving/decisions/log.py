"""The record of answers, kept off their path: encoded once, then to Kafka and Postgres, each at its own pace."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol

import msgspec
import psycopg
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from serving.decisions.answers import Inference
from serving.decisions.metrics import Recorded
from serving.writing import WritingConnection

log = logging.getLogger(__name__)

TOPIC = "ml.inferences"
MOST_WAITING = 20_000
"""Answers held for a sink that is away; what comes then is dropped and counted."""
MOST_AT_ONCE = 500
PAUSE_SECONDS = 0.1
RETRY_SECONDS = 2.0
LAST_SECONDS = 3.0
"""What is left for the last batches when the service ends."""

_INSERT = """
insert into ops.inferences
select * from jsonb_to_recordset(%s::jsonb) as row (
    request_id uuid, scored_at timestamptz, model text, version integer, arm text, experiment text, split_key text,
    transaction_id text, merchant_id text, request jsonb, score double precision, scores jsonb, decision text,
    policy_rules text[], reasons jsonb, latency_us integer
)
on conflict do nothing
"""
_ENSURE_DAYS = """
select ops.ensure_inference_days(array(
    select distinct ((row ->> 'scored_at')::timestamptz at time zone 'UTC')::date
    from jsonb_array_elements(%s::jsonb) as row
))
"""


Row = tuple[bytes | None, bytes]
"""The key of a message and its content, which is also the row of the table."""


class Sink(Recorded, Protocol):
    """One place where the record goes."""

    def take(self, rows: Sequence[Row]) -> None:
        """Soon on their way; never waits for the other side. Called in the running event loop."""

    async def close(self) -> None:
        """Send what waits, in bounded time, and let go."""


class InferenceLog:
    """Takes answers at once and hands them to the sinks soon after."""

    name = "queue"

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = sinks
        self._pending: deque[Inference] = deque()
        self._encoder = msgspec.json.Encoder()
        self._task: asyncio.Task[None] | None = None
        self.written = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Answers that no sink has yet."""
        return len(self._pending)

    def add(self, inference: Inference) -> None:
        """Take an answer; never waits."""
        if len(self._pending) < MOST_WAITING:
            self._pending.append(inference)
        else:
            self.dropped += 1

    def start(self) -> None:
        """Begin handing over in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="inference-log")

    async def close(self) -> None:
        """Hand over what is left and close the sinks."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        while self._pending:
            self._hand_over()
        # Side by side: one that is away must not use up the time of the other.
        await asyncio.gather(*(sink.close() for sink in self.sinks))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0 if len(self._pending) >= MOST_AT_ONCE else PAUSE_SECONDS)
            if self._pending:
                self._hand_over()

    def _hand_over(self) -> None:
        batch = [self._pending.popleft() for _ in range(min(len(self._pending), MOST_AT_ONCE))]
        try:
            rows = [self._row(one) for one in batch]
            for sink in self.sinks:
                sink.take(rows)
        except Exception:
            # A mistake of ours costs these answers, not the record of all that come after.
            log.exception("%d answers could not be handed over; they are dropped", len(batch))
            self.dropped += len(batch)
        else:
            self.written += len(rows)

    def _row(self, one: Inference) -> Row:
        # Postgres takes no NUL in JSON.
        value = self._encoder.encode(one).replace(b"\\u0000", b"\\ufffd")
        return (one.split_key or one.request_id).encode("utf-8", "replace"), value


class KafkaSink:
    """The topic ml.inferences; the client's own thread sends, and holds what waits."""

    name = "kafka"

    def __init__(self, bootstrap_servers: str) -> None:
        self.written = 0
        self.dropped = 0
        self._taken = 0
        self._lost = 0
        quiet = logging.getLogger("serving.decisions.kafka")
        quiet.setLevel(logging.CRITICAL)
        settings: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": "payments-api",
            "linger.ms": 50,
            "compression.type": "lz4",
            "acks": "all",
            "enable.idempotence": True,
            "queue.buffering.max.messages": MOST_WAITING,
            "message.timeout.ms": 60_000,
            "delivery.report.only.error": True,
            "on_delivery": self._delivered,
        }
        self._producer = Producer(settings, logger=quiet)

    @property
    def waiting(self) -> int:
        return len(self._producer)

    def take(self, rows: Sequence[Row]) -> None:
        for key, value in rows:
            try:
                self._producer.produce(TOPIC, value, key)
                self._taken += 1
            except (BufferError, KafkaException):
                self.dropped += 1
        self._producer.poll(0)
        self.written = max(self.written, self._taken - self._lost - len(self._producer))

    async def close(self) -> None:
        await asyncio.to_thread(self._producer.flush, LAST_SECONDS)
        if left := len(self._producer):
            log.error("%d answers did not reach Kafka: it was away at the end", left)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._lost += 1
            self.dropped += 1


class PostgresSink:
    """The table ops.inferences, over a connection of its own that may write."""

    name = "postgres"

    def __init__(self, database_url: str) -> None:
        self._connection = WritingConnection(database_url, "payments-api-inferences")
        self.written = 0
        self.dropped = 0
        self._rows: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_away = False
        self._last_refusal = ""

    @property
    def waiting(self) -> int:
        return len(self._rows)

    def take(self, rows: Sequence[Row]) -> None:
        free = MOST_WAITING - len(self._rows)
        self._rows.extend(value for _, value in rows[:free])
        self.dropped += max(0, len(rows) - free)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="inference-log-postgres")

    async def close(self) -> None:
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(LAST_SECONDS):
                if self._task is not None:
                    await self._task
        if self._rows:
            log.error("%d answers did not reach the record: Postgres was away at the end", len(self._rows))
        await self._connection.close()

    async def _write_all(self) -> None:
        while self._rows:
            batch = list(islice(self._rows, MOST_AT_ONCE))
            try:
                await self._write_or_drop(batch)
            except (psycopg.OperationalError, OSError) as error:
                if not self._is_away:
                    log.warning("the record of answers waits for Postgres: %s", error)
                self._is_away = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._is_away = False
            for _ in batch:
                self._rows.popleft()

    async def _write_or_drop(self, batch: Sequence[bytes]) -> None:
        """Write what Postgres takes: one row that it refuses costs nothing but that row."""
        try:
            await self._write(batch)
        except psycopg.OperationalError:
            raise
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(batch) > 1:
                await self._write_or_drop(batch[: len(batch) // 2])
                await self._write_or_drop(batch[len(batch) // 2 :])
            else:
                self._drop(batch, error)
        except psycopg.Error as error:
            self._drop(batch, error)
        else:
            self.written += len(batch)

    def _drop(self, batch: Sequence[bytes], error: psycopg.Error) -> None:
        self.dropped += len(batch)
        if str(error) != self._last_refusal:
            log.error("the record refuses answers, which are dropped, %d at first: %s", len(batch), error)
        self._last_refusal = str(error)

    async def _write(self, batch: Sequence[bytes]) -> None:
        connection = await self._connection.open()
        rows = (b"[" + b",".join(batch) + b"]").decode()
        try:
            await connection.execute(_INSERT, [rows])
        except psycopg.errors.CheckViolation:
            # The first answers of a day find no partition for it.
            await connection.execute(_ENSURE_DAYS, [rows])
            await connection.execute(_INSERT, [rows])
