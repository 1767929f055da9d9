"""The tables of live rows that the stream fills, one per topic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DetailTable:
    """A table of live rows and the columns that the stream fills."""

    name: str
    key: tuple[str, str]
    columns: tuple[str, ...]


PAYMENTS = DetailTable(
    "payments",
    ("event_id", "event_timestamp"),
    (
        "event_id", "transaction_id", "event_timestamp", "merchant_id", "merchant_segment", "merchant_country",
        "issuer_country", "issuer", "card_network", "card_bin", "amount_minor", "amount_usd_minor", "currency",
        "payment_solution", "processor", "uses_3ds", "three_ds_outcome", "is_network_token", "fraud_score",
        "aml_risk_score", "device_trust_score", "velocity_score", "attempt_number", "previous_decline_reason",
        "minutes_since_decline", "is_approved", "decline_reason", "processing_latency_ms", "fee_minor",
        "pipeline_error", "schema_version", "risk_tier", "amount_bucket", "is_cross_border", "composite_risk_score",
        "is_late", "arrived_at", "source_partition", "source_offset",
    ),
)  # fmt: skip
TRANSACTIONS = DetailTable(
    "transactions",
    ("transaction_id", "event_timestamp"),
    (
        "transaction_id", "event_timestamp", "user_id", "amount", "merchant", "is_fraud", "payment_method", "city",
        "country", "device_id", "amount_category", "is_high_value", "is_late", "arrived_at", "source_partition",
        "source_offset",
    ),
)  # fmt: skip
MESSAGES = DetailTable(
    "message_arrivals",
    ("message_id", "event_timestamp"),
    ("message_id", "event_timestamp", "source_partition", "source_offset"),
)
DETAIL = {
    "payments.transactions": PAYMENTS,
    "ecommerce.transactions": TRANSACTIONS,
    "customer.messages": MESSAGES,
}
