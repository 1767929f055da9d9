"""Collected batches as the stream would hand them over, built from plain rows."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from domain.contracts import expectations, topics
from spark_jobs import decode
from spark_jobs.stream.batch import TopicBatch

PAYMENTS = topics()["payments.transactions"]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def bit(name: str) -> int:
    """The bit of `failed` that stands for an expectation of payments.transactions."""
    return 1 << [one.name for one in expectations(PAYMENTS.name)].index(name)


def payment(**changes: Any) -> dict[str, Any]:
    """Silver columns of an approved payment of 12.34 EUR at noon."""
    return {
        "event_id": "e1",
        "event_timestamp": NOON,
        "event_date": NOON.date(),
        "merchant_id": "m1",
        "merchant_segment": "Retail",
        "merchant_country": "DE",
        "issuer_country": "FR",
        "card_network": "Visa",
        "payment_solution": "standard",
        "processor": "ProcessorA",
        "uses_3ds": False,
        "three_ds_outcome": None,
        "is_network_token": False,
        "fraud_score": 0.1,
        "currency": "EUR",
        "amount": 12.34,
        "amount_minor": 1234,
        "amount_usd_minor": 1333,
        "fee_minor": 20,
        "attempt_number": 1,
        "previous_decline_reason": None,
        "minutes_since_decline": None,
        "is_approved": True,
        "decline_reason": None,
        "processing_latency_ms": 100,
        "pipeline_error": False,
        "risk_tier": "LOW",
        "amount_bucket": "small",
        "is_cross_border": True,
        "is_late": False,
    } | changes


SILVER_SCHEMA = pa.schema(
    {
        "event_id": pa.string(),
        "event_timestamp": pa.timestamp("us", "UTC"),
        "event_date": pa.date32(),
        "merchant_id": pa.string(),
        "merchant_segment": pa.string(),
        "merchant_country": pa.string(),
        "issuer_country": pa.string(),
        "card_network": pa.string(),
        "payment_solution": pa.string(),
        "processor": pa.string(),
        "uses_3ds": pa.bool_(),
        "three_ds_outcome": pa.string(),
        "is_network_token": pa.bool_(),
        "fraud_score": pa.float64(),
        "currency": pa.string(),
        "amount": pa.float64(),
        "amount_minor": pa.int64(),
        "amount_usd_minor": pa.int64(),
        "fee_minor": pa.int64(),
        "attempt_number": pa.int32(),
        "previous_decline_reason": pa.string(),
        "minutes_since_decline": pa.float64(),
        "is_approved": pa.bool_(),
        "decline_reason": pa.string(),
        "processing_latency_ms": pa.int32(),
        "pipeline_error": pa.bool_(),
        "risk_tier": pa.string(),
        "amount_bucket": pa.string(),
        "is_cross_border": pa.bool_(),
        "is_late": pa.bool_(),
    }
)


def silver(*rows: dict[str, Any]) -> pa.Table:
    """Silver rows as Arrow."""
    return pa.Table.from_pylist(list(rows), schema=SILVER_SCHEMA)


def topic_batch(*rows: dict[str, Any]) -> TopicBatch:
    """A batch of payments.transactions; each row may give verdict, failed, first, value, partition and silver."""
    messages = [
        {
            "topic": PAYMENTS.name,
            "partition": row.get("partition", 0),
            "offset": offset,
            "arrived_at": NOON,
            "key": b"k",
            "value": row.get("value", b"v"),
            "verdict": row.get("verdict", decode.DECODED),
            "failed": row.get("failed", 0),
        }
        for offset, row in enumerate(rows)
    ]
    schema = pa.schema(
        {
            "topic": pa.string(),
            "partition": pa.int32(),
            "offset": pa.int64(),
            "arrived_at": pa.timestamp("us", "UTC"),
            "key": pa.binary(),
            "value": pa.binary(),
            "verdict": pa.int32(),
            "failed": pa.int64(),
        }
    )
    first = np.array([row.get("first", True) for row in rows], dtype=np.bool_)
    rows_of_silver = silver(*(row.get("silver", payment()) for row in rows))
    return TopicBatch(PAYMENTS, pa.Table.from_pylist(messages, schema=schema), rows_of_silver, first)
