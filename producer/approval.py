"""Why an attempt is approved or declined: a row of gates, each with a cause, that it must pass one after another.

P(approved) is the product of the chances to pass them, so the simulator knows the truth that a model estimates.
Most gates are nearly shut or nearly open, since real declines mostly have one clear reason.
"""

from math import exp

from producer.incidents import Conditions
from producer.purchases import Purchase
from producer.retries import retry_hazard

GATES = (
    "processor_error",
    "3ds_failed",
    "issuer_unavailable",
    "invalid_card",
    "stolen_card",
    "expired_card",
    "fraud_suspected",
    "limit_exceeded",
    "insufficient_funds",
    "do_not_honor",
)
Hazards = tuple[float, ...]  # P(stopped at the gate | reached it), in the order of GATES

# What each processor is better at. The points of a payment add up; every point missing costs approvals.
NETWORK_POINTS = {
    "ProcessorA": {"Visa": 3.0, "Mastercard": 2.0, "Amex": 0.5, "Discover": 0.5},
    "ProcessorB": {"Visa": 1.5, "Mastercard": 3.0, "Amex": 0.0, "Discover": 0.0},
    "ProcessorC": {"Visa": 1.0, "Mastercard": 0.5, "Amex": 5.0, "Discover": 4.5},
}
REGION_POINTS = {
    "ProcessorA": {"americas": 3.5, "europe": 0.5, "asia": 0.5, "africa": 0.5},
    "ProcessorB": {"americas": 0.5, "europe": 4.0, "asia": 1.0, "africa": 2.5},
    "ProcessorC": {"americas": 1.0, "europe": 0.5, "asia": 4.5, "africa": 1.0},
}
SEGMENT_POINTS = {
    "ProcessorA": {"Retail": 2.0, "Grocery": 2.5, "Digital": 0.5, "Travel": 0.0, "Gaming": 0.0},
    "ProcessorB": {"Retail": 0.5, "Grocery": 0.0, "Digital": 2.5, "Travel": 2.5, "Gaming": 0.0},
    "ProcessorC": {"Retail": 0.0, "Grocery": 0.5, "Digital": 0.0, "Travel": 1.0, "Gaming": 4.0},
}
LARGE_USD = 150.0
LARGE_POINTS = {"ProcessorA": -1.0, "ProcessorB": 0.5, "ProcessorC": 2.5}
NIGHT_POINTS = {"ProcessorA": 0.0, "ProcessorB": -1.0, "ProcessorC": 1.5}
FULL_POINTS = 7.0
HAZARD_PER_POINT = 0.006
BASE_PROCESSOR_ERROR = {"ProcessorA": 0.004, "ProcessorB": 0.006, "ProcessorC": 0.009}
FEE_SHARE = {"ProcessorA": 0.018, "ProcessorB": 0.016, "ProcessorC": 0.021}
FEE_FIXED_USD = {"ProcessorA": 0.10, "ProcessorB": 0.15, "ProcessorC": 0.05}
LATENCY_MS = {"ProcessorA": 70, "ProcessorB": 110, "ProcessorC": 90}


def processor_points(purchase: Purchase, processor: str, hour: int) -> float:
    """How well the processor suits the payment; 0 to 7 and a little beyond."""
    points = (
        NETWORK_POINTS[processor].get(purchase.customer.network, 0.0)
        + REGION_POINTS[processor][purchase.customer.country.region]
        + SEGMENT_POINTS[processor].get(purchase.merchant.segment, 0.0)
    )
    if purchase.amount_usd > LARGE_USD:
        points += LARGE_POINTS[processor]
    if hour < 6:
        points += NIGHT_POINTS[processor]
    return points


def hazards(purchase: Purchase, processor: str, hour: int, conditions: Conditions) -> Hazards:
    """The chance to be stopped at each gate, for this attempt at this UTC hour through this processor."""
    issuer = purchase.customer.issuer
    result = (
        1.0 - (1.0 - BASE_PROCESSOR_ERROR[processor]) * (1.0 - conditions.processor_drop.get(processor, 0.0)),
        0.97 if purchase.three_ds_outcome == "challenge_failed" else 0.0,
        _unavailable(issuer.name, hour == issuer.down_hour, conditions),
        0.35 if purchase.fraud_pattern == "card_testing" else 0.001,
        0.10 if purchase.is_fraud else 0.0004,
        0.003,
        _fraud_suspected(purchase),
        0.90 if purchase.amount_usd > issuer.limit_usd else 0.80 if purchase.velocity_score > 0.85 else 0.001,
        _insufficient_funds(purchase),
        _do_not_honor(purchase, processor, hour),
    )
    if purchase.attempt_number == 1:
        return result
    return _on_retry(result, purchase)


def approval_probability(gates: Hazards) -> float:
    """P(approved): the chance to pass every gate."""
    probability = 1.0
    for hazard in gates:
        probability *= 1.0 - hazard
    return probability


def outcome(gates: Hazards, u: float) -> str | None:
    """The gate that stops the attempt, or None when it is approved; u is uniform in [0, 1)."""
    passed = 1.0
    stopped = 0.0
    for reason, hazard in zip(GATES, gates, strict=True):
        stopped += passed * hazard
        if u < stopped:
            return reason
        passed *= 1.0 - hazard
    return None


def latency_ms(purchase: Purchase, processor: str, reason: str | None, u: float) -> int:
    """Milliseconds from request to answer; an issuer that is away costs a time-out."""
    if reason == "issuer_unavailable":
        return 2500 + int(2000 * u)
    base = LATENCY_MS[processor] + purchase.customer.issuer.latency_ms
    challenge = 120 if purchase.uses_3ds else 0
    return base + challenge + int(90 * u / (1.06 - u))


def fee(purchase: Purchase, processor: str) -> float:
    """The processor's fee in the purchase's currency, in whole minor units."""
    country = purchase.merchant.country
    due = purchase.amount * FEE_SHARE[processor] + FEE_FIXED_USD[processor] / country.usd_rate
    return int(due * country.minor_scale + 0.5) / country.minor_scale


def _unavailable(issuer: str, is_maintenance: bool, conditions: Conditions) -> float:
    if issuer in conditions.issuers_down:
        return 0.97
    return 0.25 if is_maintenance else 0.004


def _fraud_suspected(purchase: Purchase) -> float:
    """A steep rise of the decline chance around a score that 3-D Secure and tokens push up."""
    bar = 0.60 + purchase.customer.issuer.strictness
    if purchase.three_ds_outcome == "challenge_passed":
        bar += 0.12
    if purchase.customer.has_token:
        bar += 0.04
    if purchase.merchant.country.is_high_risk:
        bar -= 0.06
    return 0.95 / (1.0 + exp((bar - purchase.fraud_score) * 35.0))


def _insufficient_funds(purchase: Purchase) -> float:
    if purchase.customer.is_prepaid:
        return 0.85 if purchase.amount_usd > 30.0 else 0.10
    return 0.012 if purchase.customer.payment_method == "debit_card" else 0.004


def _do_not_honor(purchase: Purchase, processor: str, hour: int) -> float:
    missing = FULL_POINTS - processor_points(purchase, processor, hour)
    hazard = 0.004 + (HAZARD_PER_POINT * missing if missing > 0.0 else 0.0)
    if purchase.customer.country is not purchase.merchant.country:
        hazard += 0.015
    return hazard + (0.01 if purchase.merchant.segment == "Gaming" else 0.0)


def _on_retry(first: Hazards, purchase: Purchase) -> Hazards:
    """The gate that stopped the attempt before now depends on its reason and the wait."""
    reason = purchase.previous_decline_reason
    hazard = retry_hazard(reason or "", purchase.minutes_since_decline)
    return tuple(hazard if gate == reason else known for gate, known in zip(GATES, first, strict=True))
