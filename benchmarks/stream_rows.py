"""Simulated events as the rows that the stream would have stored of them, without Kafka, Spark or a lake."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from domain.contracts import rules
from domain.enrichment import amount_bucket, composite_risk_score, risk_tier
from domain.money import to_minor, to_usd_minor
from producer.events import Event
from spark_jobs.stream.detail import DetailTable

Row = dict[str, Any]
_INSTANT = pa.timestamp("us", "UTC")
_TYPES = {
    **dict.fromkeys(("event_timestamp", "arrived_at"), _INSTANT),
    **dict.fromkeys(("amount_minor", "amount_usd_minor", "fee_minor", "source_offset", "user_id"), pa.int64()),
    **dict.fromkeys(("attempt_number", "processing_latency_ms", "schema_version", "source_partition"), pa.int32()),
    **dict.fromkeys(("fraud_score", "aml_risk_score", "device_trust_score", "velocity_score"), pa.float64()),
    **dict.fromkeys(("minutes_since_decline", "composite_risk_score", "amount"), pa.float64()),
    **dict.fromkeys(("uses_3ds", "is_network_token", "is_approved", "pipeline_error", "is_cross_border"), pa.bool_()),
    **dict.fromkeys(("is_late", "is_fraud", "is_high_value"), pa.bool_()),
}


def as_table(table: DetailTable, rows: Sequence[Row]) -> pa.Table:
    """Rows of live.payments or live.transactions as the stream has them."""
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in table.columns])
    return pa.Table.from_pylist([{name: row[name] for name in table.columns} for row in rows], schema=schema)


def payment(event: Event) -> Row:
    """A row of live.payments."""
    fields = event.record
    amount, currency = fields["amount"], fields["currency"]
    return {
        **fields,
        "event_timestamp": _instant(event.event_time_ms),
        "amount_minor": to_minor(amount, currency),
        "amount_usd_minor": to_usd_minor(amount, currency),
        "fee_minor": to_minor(fields["fee_amount"], currency),
        "risk_tier": risk_tier(fields["fraud_score"]),
        "amount_bucket": amount_bucket(amount),
        "is_cross_border": fields["merchant_country"] != fields["issuer_country"],
        "composite_risk_score": composite_risk_score(
            fields["fraud_score"], fields["aml_risk_score"], fields["device_trust_score"]
        ),
        **_arrival(event),
    }


def checkout(event: Event) -> Row:
    """A row of live.transactions; where it took place is left out."""
    fields = event.record
    return {
        **fields,
        "event_timestamp": _instant(event.event_time_ms),
        "city": None,
        "country": None,
        "amount_category": amount_bucket(fields["amount"]),
        "is_high_value": fields["amount"] > 1000,
        **_arrival(event),
    }


def _arrival(event: Event) -> Row:
    """As if Kafka had taken the event when it was due. Its place there is not known."""
    lag_ms = event.due_ms - event.event_time_ms
    return {
        "is_late": lag_ms > rules()["lateness"]["watermark_seconds"] * 1000,
        "arrived_at": _instant(event.due_ms),
        "source_partition": 0,
        "source_offset": 0,
    }


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC) + timedelta(milliseconds=at_ms % 1000)
