"""Message values."""

from collections.abc import Callable
from io import BytesIO

import pytest
from fastavro import schemaless_reader

from domain.contracts import avro_schema
from producer.events import CHECKOUTS, MESSAGES, PAYMENTS, Event
from producer.wire import UNKNOWN_SCHEMA_ID, Encoder

Simulate = Callable[..., list[Event]]
IDS = {CHECKOUTS: 11, PAYMENTS: 12, MESSAGES: 13}


def decode(topic: str, value: bytes) -> object:
    return schemaless_reader(BytesIO(value[5:]), avro_schema(topic), None)


def test_a_value_is_a_zero_byte_the_schema_id_and_the_record(simulate: Simulate) -> None:
    encoder = Encoder(IDS)
    for event in simulate(300, rate=0.5):
        value = encoder.encode(event.topic, event.record)
        assert value[0] == 0
        assert int.from_bytes(value[1:5], "big") == IDS[event.topic]
        assert decode(event.topic, value) == event.record | (
            {"event_timestamp": decode(event.topic, value)["event_timestamp"]} if event.topic == PAYMENTS else {}
        )


def test_an_unknown_schema_differs_in_the_id_alone(simulate: Simulate) -> None:
    event = simulate(1)[0]
    whole, unknown = (Encoder(IDS).encode(event.topic, event.record, damage) for damage in (None, "unknown_schema"))

    assert unknown[0] == 0
    assert unknown[5:] == whole[5:]
    assert int.from_bytes(unknown[1:5], "big") == UNKNOWN_SCHEMA_ID


def test_undecodable_values_cannot_be_decoded(simulate: Simulate) -> None:
    headers = set()
    for event in simulate(100):
        value = Encoder(IDS).encode(event.topic, event.record, "undecodable")
        headers.add(value[0])
        if value[0] == 0:
            with pytest.raises((EOFError, IndexError, ValueError)):
                decode(event.topic, value)

    assert headers == {0, ord("{")}
