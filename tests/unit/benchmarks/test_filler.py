"""The copies that fill a topic are events as the producer would encode them, all different."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import fastavro
import pytest

from benchmarks.filler import Template, templates, zigzag
from domain.contracts import avro_schema
from producer.events import CHECKOUTS, PAYMENTS
from producer.wire import Encoder


@pytest.fixture(scope="module")
def prepared() -> list[Template]:
    return templates(Encoder({PAYMENTS: 2, CHECKOUTS: 1}), 50)


def decoded(template: Template, *patches: Any) -> dict[str, Any]:
    value = template.value(*patches)
    body = BytesIO(value[5:])
    record: Any = fastavro.schemaless_reader(body, avro_schema(template.topic), None)
    assert not body.read(), "bytes are left over"
    return dict(record)


def test_both_topics_are_among_the_templates(prepared: list[Template]) -> None:
    assert len(prepared) == 50
    assert {template.topic for template in prepared} == {PAYMENTS, CHECKOUTS}


def test_a_payment_gets_its_own_ids_and_time(prepared: list[Template]) -> None:
    template = next(one for one in prepared if one.topic == PAYMENTS)
    record = decoded(template, b"e" * 36, b"t" * 36, zigzag(1_790_000_000_456), 7)
    assert (record["event_id"], record["transaction_id"]) == ("e" * 36, "t" * 36)
    assert record["event_timestamp"] == datetime.fromtimestamp(1_790_000_000.456, UTC)
    assert record["amount"] > 0


def test_a_checkout_gets_its_own_id_time_customer_and_device(prepared: list[Template]) -> None:
    template = next(one for one in prepared if one.topic == CHECKOUTS)
    record = decoded(template, b"e" * 36, b"t" * 36, b"2026-09-21T12:00:00.000Z", 399_999)
    assert record["transaction_id"] == "t" * 36
    assert (record["user_id"], record["device_id"]) == (399_999, "d-000000061a7f")
    assert record["timestamp"] == "2026-09-21T12:00:00.000Z"


@pytest.mark.parametrize(("number", "encoded"), [(0, b"\0"), (1, b"\2"), (64, b"\x80\1"), (300, b"\xd8\4")])
def test_a_long_is_written_as_avro_writes_it(number: int, encoded: bytes) -> None:
    assert zigzag(number) == encoded
