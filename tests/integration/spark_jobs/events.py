"""Events of both money topics to vary."""

from typing import Any


def payment(**changes: Any) -> dict[str, Any]:
    """An approved payment of 12.34 EUR, half a minute before ARRIVAL."""
    return {
        "event_id": "e1",
        "transaction_id": "t1",
        "event_timestamp": 1772366400000,
        "merchant_id": "m1",
        "merchant_segment": "Retail",
        "merchant_country": "DE",
        "issuer_country": "FR",
        "issuer": "Rheinbank",
        "card_network": "Visa",
        "card_bin": "400000",
        "amount": 12.34,
        "currency": "EUR",
        "payment_solution": "standard",
        "processor": "ProcessorA",
        "uses_3ds": False,
        "three_ds_outcome": None,
        "is_network_token": False,
        "fraud_score": 0.1,
        "aml_risk_score": 0.1,
        "device_trust_score": 0.9,
        "velocity_score": 0.0,
        "attempt_number": 1,
        "previous_decline_reason": None,
        "minutes_since_decline": None,
        "is_approved": True,
        "decline_reason": None,
        "processing_latency_ms": 120,
        "fee_amount": 0.2,
        "pipeline_error": False,
        "schema_version": 1,
    } | changes


def transaction(**changes: Any) -> dict[str, Any]:
    """The checkout of the same purchase."""
    return {
        "transaction_id": "t1",
        "user_id": 5,
        "amount": 12.34,
        "merchant": "Corner Shop",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "is_fraud": False,
        "payment_method": "credit_card",
        "location": "Berlin, Germany",
        "device_id": "d1",
    } | changes
