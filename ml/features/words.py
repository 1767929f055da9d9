"""What features are called when a person reads why a model answered as it did, and how their values are shown."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ml.features import derived
from ml.features.definition import Feature, evaluation

Shown = float | bool | str | None

WORDS: Mapping[str, str] = {
    "amount_to_merchants_mean": "amount beside the merchant's mean",
    "amount_to_customers_mean": "amount beside the customer's mean",
    "log_amount": "amount",
    "log_amount_usd": "amount in US dollars",
    "user_seconds_since_last": "seconds since the customer's last purchase",
    "user_transactions_30m": "customer's purchases in the last half hour",
    "is_new_device": "device new to the customer",
    "customers_per_purchase_on_device": "customers per purchase on the device",
    "devices_per_purchase_of_customer": "devices per purchase of the customer",
    "device_users_to_shops_purchases": "customers of the device beside the merchant's purchases",
    "customers_to_shops_purchases": "customer's purchases beside the merchant's",
    "is_away_from_issuer": "customer in another country than the card's issuer",
    "event_hour": "hour of the day (UTC)",
    "payment_method": "payment method",
    "country": "customer's country",
    "fraud_score": "fraud score",
    "fraud_score_band": "fraud score",
    "aml_risk_score": "money-laundering score",
    "device_trust_score": "trust in the device",
    "velocity_score": "velocity score",
    "uses_3ds": "3-D Secure asked for",
    "is_network_token": "network token",
    "is_cross_border": "issuer and merchant in different countries",
    "attempt_number": "number of the attempt",
    "previous_attempts": "attempts so far",
    "minutes_since_decline": "minutes since the decline",
    "merchant_segment": "merchant's segment",
    "issuer": "issuer",
    "issuer_country": "issuer's country",
    "card_network": "card network",
    "card_bin": "first digits of the card",
    "payment_solution": "payment solution",
    "processor": "processor",
    "three_ds_outcome": "outcome of 3-D Secure",
    "decline_reason": "reason of the decline",
    "previous_decline_reason": "reason of the decline before",
    "issuer_by_hour": "issuer at this hour",
    "issuer_by_amount": "issuer with this amount",
    "reason_by_wait": "reason of the decline after this wait",
    "processor_by_network": "processor with this network",
    "processor_by_issuer_country": "processor with this issuer's country",
    "processor_by_segment": "processor with this segment",
    "processor_by_amount": "processor with this amount",
    "processor_by_quarter": "processor at this time of day",
}
"""Every feature by its name."""

OUTCOMES: Mapping[str, str] = {
    "fraud": "the chance of fraud",
    "approved": "the chance of approval",
    "LOW": "the chance of low risk",
    "MEDIUM": "the chance of medium risk",
    "HIGH": "the chance of high risk",
}
"""What contributions to a class raise or lower."""


def shower(feature: Feature) -> Callable[[Mapping[str, Any]], Shown]:
    """What shows a feature's value in a clean request, as a person would give it: not its logarithm.

    Worked out once for a feature, as three are shown with every answer.
    """
    inputs, display = feature.inputs, _DISPLAYS.get(feature.function)
    if display is not None:
        evaluate = evaluation(feature)

        def displayed(cleaned: Mapping[str, Any]) -> Shown:
            found = evaluate(cleaned)
            return None if found is None else display(found)

        return displayed

    def as_asked(cleaned: Mapping[str, Any]) -> Shown:
        known = [_plain(cleaned[name]) for name in inputs if cleaned[name] is not None]
        return known[0] if len(known) == 1 else ", ".join(map(str, known)) or None

    return as_asked


def sentence(words: str, value: Shown, contribution: float, outcome: str) -> str:
    """A feature, its value and its direction, all in words."""
    said = "missing" if value is None else "yes" if value is True else "no" if value is False else value
    return f"{words}: {said}; {'raises' if contribution > 0.0 else 'lowers'} {outcome}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _plain(value: Any) -> float | bool | str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value  # type: ignore[no-any-return]


_DISPLAYS: Mapping[Callable[..., Any], Callable[[float], Shown]] = {
    derived.to_mean: lambda value: _rounded(math.exp(value)),
    derived.ratio: lambda value: _rounded(math.exp(value)),
    derived.log_usd: lambda value: round(math.expm1(value), 2),
    derived.differs: bool,
    derived.is_abroad: bool,
    derived.hour: float,
}
"""For functions of several fields, and those that take a part of one: from what they give to what is shown."""
