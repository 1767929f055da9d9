"""Messages that nobody should send, each with the dead-letter reason it must be found under, or none when accepted."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer

from domain.contracts import topics
from local.platform import Platform
from producer.events import CHECKOUTS, PAYMENTS, Event, iso_text
from producer.ledger import CsvLedger
from producer.registry import SchemaRegistry
from producer.topics import register_schemas
from producer.wire import HEADER, Encoder

MEGABYTE = 1_048_576
YEAR_290000_MS = 9_089_000_000_000_000
YEAR_1_MS = -62_135_596_800_000
AS_IT_IS: Callable[[bytes], bytes | None] = lambda value: value  # noqa: E731

PAYMENT: dict[str, Any] = {
    "merchant_id": "M-1", "merchant_segment": "Retail", "merchant_country": "DE", "issuer_country": "DE",
    "issuer": "Some Bank", "card_network": "Visa", "card_bin": "411111", "amount": 12.5, "currency": "EUR",
    "payment_solution": "standard", "processor": "ProcessorA", "uses_3ds": False, "is_network_token": False,
    "fraud_score": 0.1, "aml_risk_score": 0.1, "device_trust_score": 0.9, "velocity_score": 0.1, "attempt_number": 1,
    "is_approved": True, "processing_latency_ms": 120, "fee_amount": 0.2, "pipeline_error": False, "schema_version": 1,
}  # fmt: skip
CHECKOUT: dict[str, Any] = {
    "user_id": 7, "amount": 12.5, "merchant": "Some Shop", "is_fraud": False, "payment_method": "credit_card",
    "location": "Berlin, Germany", "device_id": "D-1",
}  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """One message: a whole record, changed in some fields, its bytes then changed as well."""

    what: str
    reason: str | None
    topic: str = PAYMENTS
    fields: tuple[tuple[str, Any], ...] = ()
    value: Callable[[bytes], bytes | None] = AS_IT_IS


def _payment(what: str, reason: str | None, **fields: Any) -> Hostile:
    return Hostile(what, reason, PAYMENTS, tuple(fields.items()))


def _checkout(what: str, reason: str | None, **fields: Any) -> Hostile:
    return Hostile(what, reason, CHECKOUTS, tuple(fields.items()))


def _bytes(what: str, reason: str, value: Callable[[bytes], bytes | None], topic: str = PAYMENTS) -> Hostile:
    return Hostile(what, reason, topic, (), value)


HOSTILE = [
    _bytes("garbage", "undecodable", lambda _: b"\xde\xad\xbe\xef"),
    _bytes("text", "undecodable", lambda _: b'{"event_id": "e-1"}', CHECKOUTS),
    _bytes("a tombstone", "undecodable", lambda _: None),
    _bytes("an empty value", "undecodable", lambda _: b"", CHECKOUTS),
    _bytes("half a header", "undecodable", lambda value: value[:3]),
    _bytes("a header without a body", "undecodable", lambda value: value[:5]),
    _bytes("a body that ends too early", "undecodable", lambda value: value[: len(value) // 2]),
    _bytes("an unknown schema id", "unknown_schema_id", lambda value: HEADER.pack(0, 1_999_999_999) + value[5:]),
    _bytes("5 MB of noise", "undecodable", lambda _: b"\xff" * (5 * MEGABYTE)),
    _payment("a 5 MB field", "too_large", merchant_id="m" * (5 * MEGABYTE)),
    _checkout("a 5 MB location", "too_large", location="x" * (5 * MEGABYTE)),
    _payment("an event id of a kilobyte", "overlong_event_id", event_id=token_hex(512)),
    _payment("a decline reason of four kilobytes", "overlong_decline_reason", decline_reason=token_hex(2048)),
    _payment("an issuer of four kilobytes", "overlong_issuer", issuer=token_hex(2048)),
    _payment("a card network of four kilobytes", "overlong_card_network", card_network=token_hex(2048)),
    _checkout("a shop's name of four kilobytes", "overlong_merchant", merchant=token_hex(2048)),
    _checkout("a device of four kilobytes", "overlong_device_id", device_id=token_hex(2048)),
    _payment("a NUL in a text", "invalid_text", issuer="Some\0Bank"),
    _checkout("a NUL in a shop's name", "invalid_text", merchant="\0"),
    _bytes("text that is not UTF-8", "undecodable", lambda value: value.replace(b"Some Bank", b"Some \xff\xfe\xfdnk")),
    _payment("a blank event id", "missing_event_id", event_id="  "),
    _payment("an empty transaction id", "missing_transaction_id", transaction_id=""),
    _payment("an amount that is no number", "amount_not_positive", amount=float("nan")),
    _payment("an infinite amount", "amount_not_positive", amount=float("inf")),
    _checkout("a negative infinite amount", "amount_not_positive", amount=float("-inf")),
    _checkout("an amount beyond all money", "amount_not_positive", amount=1e300),
    _payment("the year 290000", "from_the_future", event_timestamp=YEAR_290000_MS),
    _payment("the year 1", "absurd_timestamp", event_timestamp=YEAR_1_MS),
    _payment("the epoch", "absurd_timestamp", event_timestamp=0),
    _checkout("the year 9999", "from_the_future", timestamp="9999-12-31T23:59:59.999Z"),
    _checkout("the year 1 in words", "absurd_timestamp", timestamp="0001-01-01T00:00:00Z"),
    _checkout("a time that is none", "unreadable_timestamp", timestamp="yesterday, about noon"),
    _payment("a whole card number", "card_number_too_long", card_bin="4111111111111111"),
    _payment("letters for a card", "card_number_too_long", card_bin="4111aa"),
    _payment("a currency in small letters", "malformed_currency", currency="eur"),
    _payment("attempt number zero", "absurd_attempt_number", attempt_number=0),
    _payment("a fee beyond all money", "absurd_fee", fee_amount=-1e300),
    _payment("a fraud score that is no number", None, fraud_score=float("nan")),
    _payment("a currency nobody heard of", None, currency="XXX"),
    _payment("quotes, commas and line ends", None, issuer='a "b", \\N\r\nc\t\\.\n', merchant_segment="\\."),
    _checkout("letters of many alphabets", None, merchant="Кофе ☕ 日本 ÑÜ", location="Zürich"),
]


class Sender:
    """Sends single messages past the producer and writes each down in a ledger of its own."""

    def __init__(self, platform: Platform, ledger: Path) -> None:
        registry = SchemaRegistry(platform.site.registry, print)
        try:
            schema_ids = register_schemas(registry)
        finally:
            registry.close()
        self._encoder = Encoder(schema_ids)
        self._ledger = CsvLedger(ledger)
        self._producer = Producer(
            {"bootstrap.servers": platform.site.kafka, "acks": "all", "message.max.bytes": 8 * MEGABYTE}
        )

    def send(self, message: Hostile, event_id: str | None = None, at_ms: int | None = None) -> str:
        """Send one, as an event of this id and time (else new ones). Returns the key, which no other message has."""
        key = f"hostile-{uuid4()}"
        event = self._event(message, key, event_id or key, at_ms or time.time_ns() // 1_000_000)
        event.kind, event.expect = message.reason or "good", "dead_letter" if message.reason else "accepted"
        self._ledger.record([event])
        value = message.value(self._encoder.encode(event.topic, event.record))
        self._producer.produce(event.topic, value, key)
        if self._producer.flush(30):
            raise TimeoutError(f"Kafka did not take {message.what} within 30 s")
        return key

    def _event(self, message: Hostile, key: str, event_id: str, at_ms: int) -> Event:
        is_payment = message.topic == PAYMENTS
        record = {"transaction_id": key, **(PAYMENT if is_payment else CHECKOUT)}
        topic = topics()[message.topic]
        record |= {topic.event_id: event_id, topic.event_time: at_ms if is_payment else iso_text(at_ms)}
        return Event(message.topic, key, event_id, at_ms, {**record, **dict(message.fields)})
