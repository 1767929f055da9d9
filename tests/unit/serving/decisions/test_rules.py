"""Policy rules on their own: which hold, and what they come to."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serving.decisions import rules
from serving.decisions.rules import Policy, Scores
from serving.decisions.watched import BadFile

DOCUMENT = tomllib.loads((Path(__file__).parents[4] / "contracts" / "decisions.toml").read_text())
CALM = Scores(fraud=0.01, fraud_threshold=0.4, risk_tier="LOW", approval=0.9)
FACTS: dict[str, Any] = {
    "amount": 100.0,
    "currency": "USD",
    "issuer_country": "DE",
    "merchant_country": "FR",
    "country": "Germany",
    "payment_method": "credit_card",
    "event_timestamp": datetime(2026, 3, 3, 12, tzinfo=UTC),
    "user_transactions_30m": 0.0,
    "uses_3ds": False,
    "three_ds_outcome": None,
}


@pytest.fixture
def policy() -> Policy:
    return rules.parse(DOCUMENT)


def test_a_calm_payment_is_approved_and_no_rule_holds(policy: Policy) -> None:
    assert rules.authorise(policy, FACTS, CALM) == ("approve", [])


@pytest.mark.parametrize(
    ("facts", "scores", "decision", "rule"),
    [
        ({"amount": 6000.0}, {}, "review", "amount_limit"),
        ({"amount": 30000.0}, {}, "decline", "amount_limit"),
        ({"amount": 30000.0, "currency": "XXX"}, {}, "decline", "amount_limit"),
        ({"issuer_country": "KP"}, {}, "decline", "blocked_country"),
        ({"merchant_country": "IR"}, {}, "decline", "blocked_country"),
        ({}, {"fraud": 0.95}, "decline", "certain_fraud"),
        ({}, {"fraud": 0.5}, "challenge_3ds", "likely_fraud"),
        ({"uses_3ds": True}, {"fraud": 0.5}, "review", "likely_fraud"),
        ({"three_ds_outcome": "challenge_failed"}, {}, "decline", "3ds_failed"),
        ({}, {"risk_tier": "HIGH"}, "review", "risk_tier"),
        ({}, {"approval": 0.01}, "decline", "hopeless"),
        ({"payment_method": "crypto", "user_transactions_30m": 9.0}, {}, "challenge_3ds", "fraud_rules_medium"),
        (
            {"payment_method": "crypto", "user_transactions_30m": 9.0, "country": "Nigeria"},
            {},
            "review",
            "fraud_rules_high",
        ),
    ],
)
def test_a_rule_holds_and_decides(
    policy: Policy, facts: dict[str, Any], scores: dict[str, Any], decision: str, rule: str
) -> None:
    decided, fired = rules.authorise(policy, {**FACTS, **facts}, replace(CALM, **scores))
    assert decided == decision
    assert rule in [one.rule for one in fired]


def test_the_most_severe_of_all_rules_decides(policy: Policy) -> None:
    decided, fired = rules.authorise(policy, {**FACTS, "amount": 6000.0, "issuer_country": "CU"}, CALM)
    assert decided == "decline"
    assert {one.rule for one in fired} >= {"amount_limit", "blocked_country"}


def test_a_model_that_is_absent_asks_for_what_the_policy_says(policy: Policy) -> None:
    decided, fired = rules.authorise(policy, FACTS, Scores(), ["there is no model"])
    assert (decided, [(one.rule, one.because) for one in fired]) == ("approve", [("no_model", "there is no model")])
    careful = replace(policy, auth=replace(policy.auth, without_model="review"))
    assert rules.authorise(careful, FACTS, Scores(), ["there is no model"])[0] == "review"
    assert rules.authorise(careful, {**FACTS, "issuer_country": "KP"}, Scores(), ["none"])[0] == "decline"


def test_missing_facts_fire_nothing(policy: Policy) -> None:
    nothing = dict.fromkeys(FACTS) | {"amount": 1.0}
    assert rules.authorise(policy, nothing, CALM) == ("approve", [])


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"decline_reason": "expired_card"}, "hard_decline"),
        ({"previous_attempts": 4.0}, "most_attempts"),
        ({"amount": 90000.0}, "amount_limit"),
        ({"issuer_country": "SY"}, "blocked_country"),
    ],
)
def test_some_declines_are_never_tried_again(policy: Policy, facts: dict[str, Any], rule: str) -> None:
    asked = {**FACTS, "decline_reason": "insufficient_funds", "previous_attempts": None}
    assert rules.against_retry(policy, asked) == []
    assert [one.rule for one in rules.against_retry(policy, {**asked, **facts})] == [rule]


def test_a_processor_out_of_service_is_not_chosen(policy: Policy) -> None:
    without = replace(policy, out_of_service=frozenset({"ProcessorB"}))
    allowed, fired = rules.in_service(without, ["ProcessorA", "ProcessorB"])
    assert allowed == ["ProcessorA"]
    assert [one.because for one in fired] == ["ProcessorB is out of service"]


@pytest.mark.parametrize(
    ("table", "entry", "message"),
    [
        ("auth", {"fraud_rule_levels": {"CRITICAL": "explode"}}, "an action not in"),
        ("auth", {"fraud_rule_levels": {"AWFUL": "decline"}}, "an unknown level"),
        ("auth", {"review_risk_tiers": ["HUGE"]}, "unknown tier"),
        ("auth", {"without_model": "guess"}, "without_model is none of"),
        ("limits", {"blocked_countries": "KP"}, "no list of names"),
        ("limits", {"decline_above_usd": float("nan")}, "every limit is a number"),
        ("routing", {"out_of_service": [1]}, "no list of names"),
        ("auth", {"decline_fraud_from": 2.0}, "probabilities"),
        ("routing", {"out_of_service": ["ProcessorZ"]}, "ProcessorZ"),
        ("retry", {"most_attempts": 0}, "at least 1"),
        ("limits", {"decline_above_usd": "much"}, "wrong kind"),
    ],
)
def test_a_wrong_policy_says_what_would_be_right(table: str, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(BadFile, match=message):
        rules.parse({**DOCUMENT, table: {**DOCUMENT[table], **entry}})
    with pytest.raises(BadFile, match="missing"):
        rules.parse({name: row for name, row in DOCUMENT.items() if name != table})
