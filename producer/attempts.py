"""Writes a purchase down as its two records: the shop's checkout and the processor's authorisation attempt."""

from producer import approval
from producer.draw import derived_id
from producer.events import CHECKOUTS, PAYMENTS, Event
from producer.purchases import Purchase

SCHEMA_VERSION = 1


def checkout_event(purchase: Purchase, at_ms: int, at_text: str) -> Event:
    """The checkout as the shop saw it."""
    record = {
        "transaction_id": purchase.transaction_id,
        "user_id": purchase.customer.user_id,
        "amount": purchase.amount,
        "merchant": purchase.merchant.name,
        "timestamp": at_text,
        "is_fraud": purchase.is_fraud,
        "payment_method": purchase.customer.payment_method,
        "location": purchase.location,
        "device_id": purchase.device_id,
    }
    return Event(CHECKOUTS, purchase.transaction_id, purchase.transaction_id, at_ms, record)


def payment_event(purchase: Purchase, reason: str | None, latency_ms: int, answered_ms: int) -> Event:
    """The attempt as the processor saw it; `reason` is None when it was approved."""
    customer, merchant = purchase.customer, purchase.merchant
    event_id = derived_id(purchase.bits, purchase.attempt_number)
    is_retry = purchase.attempt_number > 1
    record = {
        "event_id": event_id,
        "transaction_id": purchase.transaction_id,
        "event_timestamp": answered_ms,
        "merchant_id": merchant.merchant_id,
        "merchant_segment": merchant.segment,
        "merchant_country": merchant.country.code,
        "issuer_country": customer.country.code,
        "issuer": customer.issuer.name,
        "card_network": customer.network,
        "card_bin": customer.card_bin,
        "amount": purchase.amount,
        "currency": merchant.country.currency,
        "payment_solution": "3ds" if purchase.uses_3ds else "network_token" if customer.has_token else "standard",
        "processor": purchase.processor,
        "uses_3ds": purchase.uses_3ds,
        "three_ds_outcome": purchase.three_ds_outcome,
        "is_network_token": customer.has_token,
        "fraud_score": purchase.fraud_score,
        "aml_risk_score": purchase.aml_risk_score,
        "device_trust_score": purchase.device_trust_score,
        "velocity_score": purchase.velocity_score,
        "attempt_number": purchase.attempt_number,
        "previous_decline_reason": purchase.previous_decline_reason if is_retry else None,
        "minutes_since_decline": purchase.minutes_since_decline if is_retry else None,
        "is_approved": reason is None,
        "decline_reason": reason,
        "processing_latency_ms": latency_ms,
        "fee_amount": approval.fee(purchase, purchase.processor),
        "pipeline_error": reason == "processor_error",
        "schema_version": SCHEMA_VERSION,
    }
    return Event(PAYMENTS, purchase.transaction_id, event_id, answered_ms, record)
