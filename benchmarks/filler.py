"""Fills the topics fast: a few thousand simulated purchases, encoded once, sent again and again as new events.

Only ids, times, customers and devices differ between the copies. They are patched into the encoded bytes, for encoding
each record anew would take longer than the platform takes to read it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from confluent_kafka import Producer

from domain.contracts import topics
from producer.draw import uuid_text
from producer.events import CHECKOUTS, PAYMENTS, Event, iso_text
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator
from producer.wire import Encoder

TEMPLATES = 4_000
SEED = 1
MESSAGES_PER_S = 2_100
"""The rate of the imagined past in which the backlog built up; both topics at 1,000 purchases/s."""

_ID, _OTHER_ID = uuid_text(1), uuid_text(2)
_TIME_MS = 1_750_000_000_123
_USER, _DEVICE = 2_000_000_011, "d-ffffffffffff"
CUSTOMERS = 400_000
"""They take turns, each with a device of their own."""


@dataclass(frozen=True)
class Template:
    """A message value cut at the places where ids and time go; the cuts say which of them goes there."""

    topic: str
    parts: list[bytes]

    def value(self, event_id: bytes, transaction_id: bytes, at: bytes, customer: int) -> bytes:
        """A new event. Payments hold event id, transaction id and time in this order; checkouts know the customer."""
        if self.topic == PAYMENTS:
            head, between, before_time, rest = self.parts
            return head + event_id + between + transaction_id + before_time + at + rest
        head, before_user, before_time, before_device, rest = self.parts
        device = b"d-%012x" % customer
        return b"".join(
            (head, transaction_id, before_user, zigzag(customer), before_time, at, before_device, device, rest)
        )


def templates(encoder: Encoder, count: int = TEMPLATES) -> list[Template]:
    """The first good events of a simulation at one purchase a second, so that both topics keep their share."""
    schedule = Schedule(1.0, _TIME_MS, "constant", None, count)
    simulator = Simulator(Scenario(SEED, schedule, customers=20_000, bad_shares={}))
    money = (event for event in simulator if event.topic in (PAYMENTS, CHECKOUTS))
    return [_template(encoder, event) for event in islice(money, count)]


def fill(servers: str, prepared: list[Template], count: int) -> dict[str, int]:
    """Send `count` distinct events, as if they had come at MESSAGES_PER_S until now. Returns messages by topic.

    Raises RuntimeError when Kafka does not take them all.
    """
    client = Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 200_000,
            "log_level": 2,
        }
    )
    sent = dict.fromkeys((PAYMENTS, CHECKOUTS), 0)
    for topic, value, key, at_ms in _messages(prepared, count):
        while True:
            try:
                client.produce(topic, value, key, timestamp=at_ms)
                break
            except BufferError:
                client.poll(0.05)
        sent[topic] += 1
    if unsent := client.flush(120):
        raise RuntimeError(f"Kafka did not take {unsent:,} of {count:,} messages within 120 s")
    return sent


def _messages(prepared: list[Template], count: int) -> Iterator[tuple[str, bytes, bytes, int]]:
    start_ms = time.time_ns() // 1_000_000 - count * 1000 // MESSAGES_PER_S
    written_ms, as_long, as_text = -1, b"", b""
    for number in range(count):
        at_ms = start_ms + number * 1000 // MESSAGES_PER_S
        if at_ms != written_ms:
            written_ms, as_long, as_text = at_ms, zigzag(at_ms), iso_text(at_ms).encode()
        template = prepared[number % len(prepared)]
        event_id, transaction_id = f"{number:036x}".encode(), f"{number:035x}t".encode()
        is_payment = template.topic == PAYMENTS
        value = template.value(event_id, transaction_id, as_long if is_payment else as_text, number * 7919 % CUSTOMERS)
        yield template.topic, value, transaction_id, at_ms


def _template(encoder: Encoder, event: Event) -> Template:
    topic = topics()[event.topic]
    is_payment = event.topic == PAYMENTS
    at = _TIME_MS if is_payment else iso_text(_TIME_MS)
    record = {**event.record, topic.event_id: _ID, topic.event_time: at}
    if is_payment:
        record["transaction_id"] = _OTHER_ID
        marks = [_ID.encode(), _OTHER_ID.encode(), zigzag(_TIME_MS)]
    else:
        record |= {"user_id": _USER, "device_id": _DEVICE}
        marks = [_ID.encode(), zigzag(_USER), iso_text(_TIME_MS).encode(), _DEVICE.encode()]
    return Template(event.topic, _cut(encoder.encode(event.topic, record), marks))


def _cut(value: bytes, marks: list[bytes]) -> list[bytes]:
    parts = []
    for mark in marks:
        before, found, value = value.partition(mark)
        if not found:
            raise ValueError("the record does not hold its ids and its time where they are expected")
        parts.append(before)
    return [*parts, value]


def zigzag(number: int) -> bytes:
    """A non-negative long as Avro writes it."""
    rest, encoded = number << 1, bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])
