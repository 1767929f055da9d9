"""Purchases of high risk, told on the Kafka topic fraud.alerts as soon as their scores are stored.

Delivered at least once: a batch that is run again tells its alerts again, with the same alert ids.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from io import BytesIO
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import KafkaError, Message, Producer

from domain.contracts import avro_schema, outputs, rules
from spark_jobs.decode import wire_header
from spark_jobs.fraud.scoring import Revision, Scores

CHANNEL = outputs()["fraud.alerts"]
_CONTRACT = avro_schema(CHANNEL.name)
_PATIENCE_SECONDS = 20.0

Alert = Mapping[str, Any]


class AlertsUndelivered(ConnectionError):
    """Kafka has not taken every alert; they may be sent again."""


def alerts(scores: Scores) -> list[Alert]:
    """An alert for each purchase that reached one of the levels that are told, by its own facts or by a revision."""
    return [*_of_rows(scores.rows), *_of_revisions(scores.revisions)]


class AlertTopic:
    """Writes alerts with the newest schema that is registered for them."""

    def __init__(self, servers: str, schemas: Mapping[int, str]) -> None:
        schema_id = max(schemas)
        self._header = wire_header(schema_id)
        self._schema = fastavro.parse_schema(json.loads(schemas[schema_id]))
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                "delivery.timeout.ms": int(_PATIENCE_SECONDS * 1000),
                "log_level": 2,
            }
        )

    def send(self, told: Iterable[Alert]) -> None:
        """Deliver the alerts. Raises AlertsUndelivered when Kafka is away or refuses one."""
        failures: list[str] = []
        for alert in told:
            value = self._encode(alert)
            self._produce(alert["transaction_id"], value, failures)
        self._producer.flush(_PATIENCE_SECONDS + 5)
        if failures:
            raise AlertsUndelivered(f"{len(failures)} alerts were not delivered to {CHANNEL.name}: {failures[0]}")

    def _produce(self, key: str, value: bytes, failures: list[str]) -> None:
        report = partial(_note_failure, failures)
        try:
            self._producer.produce(CHANNEL.name, value, key, on_delivery=report)
        except BufferError:
            self._producer.flush(_PATIENCE_SECONDS)
            self._producer.produce(CHANNEL.name, value, key, on_delivery=report)

    def _encode(self, alert: Alert) -> bytes:
        body = BytesIO()
        fastavro.schemaless_writer(body, self._schema, alert)
        return self._header + body.getvalue()


def _note_failure(failures: list[str], error: KafkaError | None, message: Message) -> None:
    if error is not None:
        failures.append(str(error.str()))


def _of_rows(scores: pa.Table) -> Iterator[Alert]:
    is_told = pc.is_in(scores.column("risk_level"), pa.array(rules()["fraud"]["alert_levels"]))
    for row in scores.filter(is_told).to_pylist():
        yield _alert(row, is_revision=False)


def _of_revisions(revisions: Iterable[Revision]) -> Iterator[Alert]:
    for one in revisions:
        if one.after.is_alert and one.after.risk_level != one.before.risk_level:
            user_id, event_timestamp, transaction_id = one.key
            row = {
                "user_id": user_id,
                "event_timestamp": event_timestamp,
                "transaction_id": transaction_id,
                "device_id": one.device_id,
                "merchant": one.merchant,
                "amount": one.amount,
                "score": one.after.score,
                "risk_level": one.after.risk_level,
                "rules_fired": one.after.rules_fired,
                "velocity_30m": one.velocity,
            }
            yield _alert(row, is_revision=True)


def _alert(row: Mapping[str, Any], *, is_revision: bool) -> Alert:
    facts = {field["name"]: row[field["name"]] for field in _CONTRACT["fields"] if field["name"] in row}
    return {**facts, "alert_id": f"{row['transaction_id']}:{row['risk_level']}", "is_revision": is_revision}
