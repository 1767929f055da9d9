"""The reference: Kafka read by a plain loop that decodes each message and drops it."""

import threading
import time
from io import BytesIO
from typing import Any, Self

import fastavro
import numpy as np
from confluent_kafka import Consumer, TopicPartition

from benchmarks.report import Floats
from domain.contracts import Topic, avro_schema, outputs

HEADER_BYTES = 5
AT_ONCE = 5_000
PATIENCE_S = 10.0


def open_consumer(servers: str) -> Consumer:
    """A consumer that keeps no offsets and is given its partitions."""
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "benchmark",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
            "queued.min.messages": 50_000,
            "log_level": 2,
        }
    )


def partitions(consumer: Consumer, topic: str) -> list[tuple[TopicPartition, int]]:
    """The partitions of a topic, set to their first message, each with its end offset."""
    found = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
    first = [TopicPartition(topic, partition, 0) for partition in sorted(found)]
    return [(one, consumer.get_watermark_offsets(one, PATIENCE_S)[1]) for one in first]


def drain(servers: str, topics: list[str]) -> tuple[int, float]:
    """Read and decode everything that topics hold. Returns messages and seconds, from the first message on."""
    consumer = open_consumer(servers)
    ends = [pair for topic in topics for pair in partitions(consumer, topic)]
    schemas = {topic: fastavro.parse_schema(avro_schema(topic)) for topic in topics}
    consumer.assign([one for one, _ in ends])
    total = remaining = sum(end for _, end in ends)
    began = None
    try:
        while remaining > 0:
            messages = consumer.consume(min(AT_ONCE, remaining), timeout=PATIENCE_S)
            if not messages:
                raise TimeoutError(f"Kafka gave nothing for {PATIENCE_S:.0f} s; {remaining:,} messages are missing")
            began = began or time.perf_counter()
            for message in messages:
                _decode(message, schemas)
            remaining -= len(messages)
    finally:
        consumer.close()
    return total, time.perf_counter() - (began or 0.0)


def _decode(message: Any, schemas: dict[str, Any]) -> Any:
    return fastavro.schemaless_reader(BytesIO(message.value()[HEADER_BYTES:]), schemas[message.topic()], None)


class _Receiver:
    """Takes messages in a thread as long as its block lasts."""

    def __init__(self, servers: str) -> None:
        self._consumer = open_consumer(servers)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=type(self).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._consumer.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            message = self._consumer.poll(0.2)
            if message is not None and not message.error():
                self._note(message, time.time())

    def _note(self, message: Any, now: float) -> None:
        """Make a note of a message received now, Unix seconds."""
        raise NotImplementedError


class Listener(_Receiver):
    """Notes, in a thread, how long after its creation each event of one partition reaches a plain consumer."""

    def __init__(self, servers: str, topic: Topic) -> None:
        super().__init__(servers)
        self._topic = topic
        self._schemas = {topic.name: fastavro.parse_schema(avro_schema(topic.name))}
        self._seen: set[str] = set()
        partition, end = partitions(self._consumer, topic.name)[0]
        self._consumer.assign([TopicPartition(topic.name, partition.partition, end)])
        self._received: list[tuple[float, float]] = []

    def latencies_ms(self, start: float, end: float, latest: float = 60_000.0) -> Floats:
        """Milliseconds from creation to receipt of the events created from `start` to `end`, both in Unix seconds.

        What took longer than `latest` was late by design and is left out.
        """
        pairs = np.array(self._received, dtype=np.float64).reshape(-1, 2)
        chosen = pairs[(pairs[:, 0] >= start) & (pairs[:, 0] < end)]
        waited: Floats = (chosen[:, 1] - chosen[:, 0]) * 1000
        return waited[(waited < latest) & (waited > -latest)]

    def _note(self, message: Any, now: float) -> None:
        created = self._created(message)
        if created is not None:
            self._received.append((created, now))

    def _created(self, message: Any) -> float | None:
        """When the event happened, Unix seconds; None for what is damaged on purpose, and for repetitions."""
        if not message.value().startswith(b"\0"):
            return None
        try:
            record = _decode(message, self._schemas)
        except (EOFError, ValueError, IndexError, OverflowError):
            return None
        event_id = record[self._topic.event_id]
        if event_id in self._seen:
            return None
        self._seen.add(event_id)
        created: float = record[self._topic.event_time].timestamp()
        return created


class AlertListener(_Receiver):
    """Notes, in a thread, when each alert of fraud.alerts reaches a plain consumer."""

    def __init__(self, servers: str) -> None:
        super().__init__(servers)
        name = outputs()["fraud.alerts"].name
        ends = partitions(self._consumer, name)
        self._consumer.assign([TopicPartition(name, one.partition, end) for one, end in ends])
        self._schemas = {name: fastavro.parse_schema(avro_schema(name))}
        self._received: list[tuple[float, float, str]] = []

    def latencies_ms(self, start: float, end: float, late: set[str]) -> Floats:
        """Milliseconds from checkout to alert, of checkouts from `start` to `end` in Unix seconds and not in `late`."""
        chosen = [(at, now) for at, now, purchase in self._received if start <= at < end and purchase not in late]
        return np.array([(now - at) * 1000 for at, now in chosen], dtype=np.float64)

    def _note(self, message: Any, now: float) -> None:
        alert = _decode(message, self._schemas)
        if not alert["is_revision"]:
            self._received.append((alert["event_timestamp"].timestamp(), now, alert["transaction_id"]))
