"""What the stream derives from one event, defined once; spark_jobs.expressions builds the same for Spark."""

from collections.abc import Sequence

from domain.contracts import Band, bands, rules


def classify(value: float, rule: Sequence[Band]) -> str:
    """The band that a value falls into; NaN falls into the last."""
    for band in rule:
        if band.below is None or value < band.below:
            return band.value
    raise ValueError("the last band of a rule must have no `below`")


def risk_tier(fraud_score: float) -> str:
    """LOW, MEDIUM or HIGH."""
    return classify(fraud_score, bands("payments", "risk_tier"))


def amount_bucket(amount: float) -> str:
    """micro, small, medium or large."""
    return classify(amount, bands("payments", "amount_bucket"))


def composite_risk_score(fraud_score: float, aml_risk_score: float, device_trust_score: float) -> float:
    """Weighted risk 0..1; each score is first clamped to 0..1, and NaN counts as 1 (the worst)."""
    weights = rules()["payments"]["composite_risk_weights"]
    return float(
        weights["fraud_score"] * _clamp(fraud_score, worst=1.0)
        + weights["aml_risk_score"] * _clamp(aml_risk_score, worst=1.0)
        + weights["device_distrust"] * (1.0 - _clamp(device_trust_score, worst=0.0))
    )


def _clamp(score: float, worst: float) -> float:
    if score != score:
        return worst
    return min(max(score, 0.0), 1.0)
