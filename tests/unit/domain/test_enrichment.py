"""What is derived from one event."""

import math

import pytest

from domain.contracts import Band
from domain.enrichment import amount_bucket, classify, composite_risk_score, risk_tier


@pytest.mark.parametrize(
    ("score", "tier"),
    [(0.0, "LOW"), (0.2999, "LOW"), (0.3, "MEDIUM"), (0.6999, "MEDIUM"), (0.7, "HIGH"), (5.0, "HIGH"), (-1.0, "LOW")],
)
def test_risk_tier_changes_exactly_at_its_thresholds(score: float, tier: str) -> None:
    assert risk_tier(score) == tier


def test_a_score_that_is_no_number_counts_as_high_risk() -> None:
    assert risk_tier(math.nan) == "HIGH"


@pytest.mark.parametrize(
    ("amount", "bucket"),
    [(9.99, "micro"), (10, "small"), (99.99, "small"), (100, "medium"), (999.99, "medium"), (1000, "large")],
)
def test_amount_bucket_changes_exactly_at_its_thresholds(amount: float, bucket: str) -> None:
    assert amount_bucket(amount) == bucket


def test_composite_risk_spans_nought_to_one() -> None:
    assert composite_risk_score(0, 0, 1) == 0
    assert composite_risk_score(1, 1, 0) == pytest.approx(1)


def test_composite_risk_clamps_scores_and_takes_nan_as_the_worst() -> None:
    assert composite_risk_score(7, -3, 1) == composite_risk_score(1, 0, 1)
    assert composite_risk_score(math.nan, 0, 1) == composite_risk_score(1, 0, 1)
    assert composite_risk_score(0, 0, math.nan) == composite_risk_score(0, 0, 0)


def test_a_rule_without_an_open_last_band_is_refused() -> None:
    with pytest.raises(ValueError, match="last band"):
        classify(5, [Band("low", below=1)])
