"""A schema gains a field under load while the stream is killed: old and new messages are kept, the field with them."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from random import Random
from typing import Any

import fastavro
import httpx
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

from domain.contracts import avro_schema, topics
from local.platform import Platform
from producer.events import PAYMENTS, Event
from producer.ledger import CsvLedger
from producer.wire import HEADER
from tests.chaos.load import Recovery, kill_driver, kill_jvm, seconds_until_newer, under_load
from tests.e2e.hostile import PAYMENT

SENT = 300
BLOWS: dict[str, Callable[[Platform], None]] = {"driver": kill_driver, "JVM": kill_jvm}


class GrownSender:
    """Sends payments with one field more than the contract knows."""

    def __init__(self, platform: Platform, field: str) -> None:
        self._field = field
        schema = avro_schema(PAYMENTS)
        grown = {**schema, "fields": [*schema["fields"], {"name": field, "type": ["null", "string"], "default": None}]}
        url = f"{platform.site.registry}/subjects/{topics()[PAYMENTS].subject}/versions"
        answer = httpx.post(url, json={"schema": json.dumps(grown)}, timeout=10).raise_for_status()
        self._header = HEADER.pack(0, answer.json()["id"])
        self._schema = fastavro.parse_schema(grown)
        self._ledger = CsvLedger(platform.data / "ledger" / f"grown-{field}.csv")
        self._producer = Producer({"bootstrap.servers": platform.site.kafka, "enable.idempotence": True})

    def send(self, number: int) -> str:
        """Send one payment; returns its event id, which is also the value of the field."""
        event_id, at_ms = f"{self._field}-{number}", time.time_ns() // 1_000_000
        ids = {"event_id": event_id, "transaction_id": event_id, "event_timestamp": at_ms}
        record: dict[str, Any] = {**PAYMENT, **ids, self._field: event_id}
        self._ledger.record([Event(PAYMENTS, event_id, event_id, at_ms, record)])
        body = BytesIO()
        fastavro.schemaless_writer(body, self._schema, record)
        self._producer.produce(PAYMENTS, self._header + body.getvalue(), event_id)
        self._producer.poll(0)
        return event_id

    def finish(self) -> None:
        """Wait until Kafka has everything."""
        assert self._producer.flush(60) == 0


@pytest.mark.parametrize("what", BLOWS)
def test_a_field_that_a_schema_gains_is_kept_whatever_is_killed(
    platform: Platform, recoveries: list[Recovery], chance: Random, what: str
) -> None:
    field = f"coupon_{what.lower()}"
    with under_load(platform, chance.randrange(10**6)):
        sender = GrownSender(platform, field)
        began, struck = time.monotonic(), False
        moment = chance.uniform(0.2, 6)
        sent = []
        for number in range(SENT):
            sent.append(sender.send(number))
            time.sleep(0.03)
            if not struck and time.monotonic() - began > moment:
                BLOWS[what](platform)
                struck = True
        sender.finish()
        seconds = seconds_until_newer(platform, datetime.now(UTC))
        recoveries.append(Recovery(f"stream's {what} killed as a schema changed", seconds))
    table = DeltaTable(str(platform.site.lake / topics()[PAYMENTS].silver))
    silver = table.to_pyarrow_table(columns=["event_id", field])
    kept = {row["event_id"]: row[field] for row in silver.to_pylist() if row[field] is not None}
    assert kept == {event_id: event_id for event_id in sent}
    assert silver.num_rows > len(kept)
