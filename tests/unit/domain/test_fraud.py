"""The fraud rules: each fires on its own fact, points add up, levels begin where they are said to."""

from typing import Any

import pytest

from domain.fraud import fraud_rules, score, score_of_rules

QUIET: dict[str, Any] = {
    "is_fraud": False, "amount": 20.0, "payment_method": "credit_card", "country": "Germany", "event_hour": 12,
    "is_weekend": False, "velocity_30m": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fact", "rules", "points", "level"),
    [
        ({}, (), 0, "MINIMAL"),
        ({"is_fraud": True}, ("known_fraud",), 50, "HIGH"),
        ({"amount": 5000.0}, (), 0, "MINIMAL"),
        ({"amount": 5000.01}, ("high_amount",), 30, "MEDIUM"),
        ({"payment_method": "crypto"}, ("crypto",), 20, "LOW"),
        ({"country": "Nigeria"}, ("high_risk_country",), 15, "LOW"),
        ({"country": None}, (), 0, "MINIMAL"),
        ({"event_hour": 22}, (), 0, "MINIMAL"),
        ({"event_hour": 23}, ("night",), 10, "LOW"),
        ({"event_hour": 4}, ("night",), 10, "LOW"),
        ({"event_hour": 5}, (), 0, "MINIMAL"),
        ({"is_weekend": True}, ("weekend",), 5, "MINIMAL"),
        ({"velocity_30m": 5}, (), 0, "MINIMAL"),
        ({"velocity_30m": 6}, ("velocity",), 25, "MEDIUM"),
        ({"amount": float("nan")}, (), 0, "MINIMAL"),
        ({"is_fraud": True, "velocity_30m": 6}, ("known_fraud", "velocity"), 75, "CRITICAL"),
    ],
)
def test_a_fact_scores_what_its_rule_says(
    fact: dict[str, Any], rules: tuple[str, ...], points: int, level: str
) -> None:
    found = score({**QUIET, **fact})
    assert (found.rules_fired, found.score, found.risk_level) == (rules, points, level)


def test_all_rules_together_are_critical() -> None:
    everything = score_of_rules(rule.name for rule in fraud_rules())
    assert (everything.score, everything.risk_level, everything.is_alert) == (155, "CRITICAL", True)


def test_a_missing_fact_fires_nothing() -> None:
    assert score({}).rules_fired == ()
