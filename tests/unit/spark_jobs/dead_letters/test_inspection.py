"""A letter is read as far as it goes."""

import io
from datetime import UTC, datetime
from typing import Any

import fastavro

from domain.contracts import avro_schema, avro_schema_text
from spark_jobs.dead_letters.inspection import explain, fields, hex_dump
from spark_jobs.decode import wire_header

TOPIC = "ecommerce.transactions"
RECORD: dict[str, Any] = {
    "transaction_id": "t-1",
    "user_id": 7,
    "amount": -3.0,
    "timestamp": "2026-03-01T12:00:00Z",
    "merchant": "M" * 500,
    "is_fraud": False,
    "payment_method": "paypal",
    "location": "Zürich, Switzerland",
    "device_id": "d",
}


def body() -> bytes:
    target = io.BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(avro_schema(TOPIC)), RECORD)
    return target.getvalue()


def lines(value: bytes | None, most_bytes: int = 0) -> str:
    letter = {
        "topic": TOPIC, "partition": 0, "offset": 5, "kafka_timestamp": datetime(2026, 3, 1, tzinfo=UTC),
        "key": b"k", "value": value, "reason": "amount_not_positive", "error": "amount = -3",
    }  # fmt: skip
    return "\n".join(explain(letter, {7: avro_schema_text(TOPIC)}, most_bytes))


def test_a_letter_that_can_be_decoded_shows_all_fields_and_why_it_was_refused() -> None:
    text = lines(wire_header(7) + body())
    assert "refused for amount_not_positive: amount = -3" in text
    assert "amount = -3.0" in text
    assert "transaction_id = 't-1'" in text
    assert "M" * 300 not in text


def test_a_body_that_ends_too_early_is_read_up_to_there() -> None:
    found = list(fields(body()[:12], avro_schema(TOPIC)))
    assert found[0] == "transaction_id = 't-1'"
    assert "cannot be read at byte" in found[-1]


def test_what_is_left_over_is_told() -> None:
    assert list(fields(body() + b"xyz", avro_schema(TOPIC)))[-1] == "and 3 bytes that the schema does not explain"


def test_an_unknown_schema_is_named() -> None:
    assert "schema      99, which the registry does not know" in lines(wire_header(99) + body())


def test_garbage_and_nothing_are_no_trouble() -> None:
    assert "header      none" in lines(b"\xde\xad")
    assert "value       none" in lines(None)


def test_bytes_are_shown_with_what_can_be_printed() -> None:
    first, second, rest = hex_dump(b"0123456789abcdefXY\0", 18)
    assert first == "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef"
    assert second.startswith("00000010  58 59 ")
    assert rest == "… and 1 more bytes"
