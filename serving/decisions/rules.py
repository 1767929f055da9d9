"""Policy rules: what is decided whatever a model says. Pure; contracts/decisions.toml holds the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain import fraud
from domain.contracts import bands, decline_reasons, reference
from ml.features.derived import usd
from serving.decisions.answers import FiredRule
from serving.decisions.watched import BadFile

ACTIONS = ("approve", "challenge_3ds", "review", "decline")
"""What may become of a payment, the mildest first."""
GIVE_UP = "give_up"


@dataclass(frozen=True)
class Limits:
    """For every decision."""

    decline_above_usd: float
    review_above_usd: float
    blocked_countries: frozenset[str]


@dataclass(frozen=True)
class Auth:
    """Whether a payment goes on."""

    decline_fraud_from: float
    review_risk_tiers: frozenset[str]
    least_approval: float
    fraud_rule_levels: Mapping[str, str]
    without_model: str


@dataclass(frozen=True)
class Policy:
    """The whole of contracts/decisions.toml."""

    limits: Limits
    auth: Auth
    most_attempts: int
    out_of_service: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Scores:
    """What models say of a payment, None for one that is not there.

    `fraud_threshold`: from which P(fraud) on the model calls it fraud.
    """

    fraud: float | None = None
    fraud_threshold: float | None = None
    risk_tier: str | None = None
    approval: float | None = None


Facts = Mapping[str, Any]
"""Cleaned fields of a request, None for what is missing."""


def parse(document: Mapping[str, Any]) -> Policy:
    """The policy of a file. Raises BadFile with what is wrong."""
    try:
        policy = Policy(
            limits=Limits(
                float(document["limits"]["decline_above_usd"]),
                float(document["limits"]["review_above_usd"]),
                _names(document["limits"]["blocked_countries"]),
            ),
            auth=Auth(
                float(document["auth"]["decline_fraud_from"]),
                _names(document["auth"]["review_risk_tiers"]),
                float(document["auth"]["least_approval"]),
                dict(document["auth"]["fraud_rule_levels"]),
                document["auth"].get("without_model", "approve"),
            ),
            most_attempts=int(document["retry"]["most_attempts"]),
            out_of_service=_names(document["routing"]["out_of_service"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFile(f"an entry of the policy is missing or of the wrong kind: {error!r}") from error
    _check(policy)
    return policy


def _names(listed: Any) -> frozenset[str]:
    """A list of names. One name alone is a mistake: read as a list it would be its letters."""
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise TypeError(f"{listed!r} is no list of names")
    return frozenset(listed)


def _check(policy: Policy) -> None:
    levels = {band.value for band in bands("fraud", "levels")}
    processors = set(reference()["processors"]["names"])
    complaints = {
        "fraud_rule_levels has an unknown level": policy.auth.fraud_rule_levels.keys() - levels,
        f"fraud_rule_levels has an action not in {', '.join(ACTIONS)}": set(policy.auth.fraud_rule_levels.values())
        - set(ACTIONS),
        f"without_model is none of {', '.join(ACTIONS)}": {policy.auth.without_model} - set(ACTIONS),
        "review_risk_tiers has an unknown tier": policy.auth.review_risk_tiers - {"LOW", "MEDIUM", "HIGH"},
        f"out_of_service has a processor not in {', '.join(sorted(processors))}": policy.out_of_service - processors,
    }
    for complaint, found in complaints.items():
        if found:
            raise BadFile(f"{complaint}: {', '.join(sorted(map(str, found)))}")
    if not 0.0 <= policy.auth.decline_fraud_from <= 1.0 or not 0.0 <= policy.auth.least_approval <= 1.0:
        raise BadFile("decline_fraud_from and least_approval are probabilities, 0 to 1")
    limits = policy.limits.decline_above_usd, policy.limits.review_above_usd
    if policy.most_attempts < 1 or not all(limit >= 0.0 for limit in limits):
        raise BadFile("most_attempts is at least 1, and every limit is a number from 0 on")


def authorise(policy: Policy, facts: Facts, scores: Scores, absent: Sequence[str] = ()) -> tuple[str, list[FiredRule]]:
    """What becomes of a payment, the most severe of what its rules ask for, and all rules that held.

    `absent`: why a model was not asked, for each that was not.
    """
    fired = [*_limits(policy.limits, facts), *_scores(policy.auth, facts, scores), *_fraud_rules(policy.auth, facts)]
    fired += [_fired("no_model", policy.auth.without_model, because) for because in absent]
    return _most_severe(fired), fired


def against_retry(policy: Policy, facts: Facts) -> list[FiredRule]:
    """Every rule that forbids another attempt."""
    fired = [_fired(one.rule, GIVE_UP, one.because) for one in _limits(policy.limits, facts) if one.action == "decline"]
    reason = decline_reasons().get(facts["decline_reason"])
    if reason is not None and reason.kind == "hard":
        fired.append(_fired("hard_decline", GIVE_UP, f"{reason.code} is a hard decline: {reason.meaning}"))
    attempts = facts["previous_attempts"] or 1.0
    if attempts >= policy.most_attempts:
        fired.append(
            _fired("most_attempts", GIVE_UP, f"{attempts:g} attempts were made, {policy.most_attempts} are the most")
        )
    return fired


def in_service(policy: Policy, processors: Sequence[str]) -> tuple[list[str], list[FiredRule]]:
    """The processors that may be chosen, and a rule for each that may not."""
    out = [name for name in processors if name in policy.out_of_service]
    fired = [_fired("out_of_service", "avoid", f"{name} is out of service") for name in out]
    return [name for name in processors if name not in policy.out_of_service], fired


def amount_usd(facts: Facts) -> float:
    """The amount in US dollars; as it comes where the currency has no rate."""
    amount: float = facts["amount"]
    converted = usd(amount, facts.get("currency"))
    return amount if converted is None else converted


def _limits(limits: Limits, facts: Facts) -> list[FiredRule]:
    fired = []
    amount = amount_usd(facts)
    if amount > limits.decline_above_usd:
        fired.append(_over("decline", amount, limits.decline_above_usd))
    elif amount > limits.review_above_usd:
        fired.append(_over("review", amount, limits.review_above_usd))
    for place in ("issuer_country", "merchant_country"):
        country = facts.get(place)
        if country in limits.blocked_countries:
            fired.append(_fired("blocked_country", "decline", f"{place} {country} is blocked"))
    return fired


def _over(action: str, amount: float, limit: float) -> FiredRule:
    return _fired("amount_limit", action, f"{amount:.2f} US dollars are more than {limit:g}")


def _scores(auth: Auth, facts: Facts, scores: Scores) -> list[FiredRule]:
    fired = []
    if facts.get("three_ds_outcome") == "challenge_failed":
        fired.append(_fired("3ds_failed", "decline", "the customer failed the challenge of 3-D Secure"))
    if scores.fraud is not None and scores.fraud >= auth.decline_fraud_from:
        because = f"P(fraud) {scores.fraud:.3f} is at least {auth.decline_fraud_from:g}"
        fired.append(_fired("certain_fraud", "decline", because))
    elif scores.fraud is not None and scores.fraud_threshold is not None and scores.fraud >= scores.fraud_threshold:
        because = f"P(fraud) {scores.fraud:.3f} is at least the model's threshold {scores.fraud_threshold:.3f}"
        fired.append(_fired("likely_fraud", _unless_challenged("challenge_3ds", facts), because))
    if scores.risk_tier in auth.review_risk_tiers:
        fired.append(_fired("risk_tier", "review", f"the risk is {scores.risk_tier}"))
    if scores.approval is not None and scores.approval < auth.least_approval:
        because = f"P(approved) {scores.approval:.3f} is below {auth.least_approval:g}"
        fired.append(_fired("hopeless", "decline", because))
    return fired


def _fraud_rules(auth: Auth, facts: Facts) -> list[FiredRule]:
    """The rules of the stream, on what is known before the outcome."""
    at: datetime | None = facts.get("event_timestamp")
    before = facts.get("user_transactions_30m")
    known = {
        **facts,
        "event_hour": None if at is None else at.hour,
        "is_weekend": None if at is None else at.isoweekday() >= 6,
        fraud.VELOCITY: None if before is None else before + 1,
    }
    score = fraud.score(known)
    action = auth.fraud_rule_levels.get(score.risk_level)
    if action is None:
        return []
    because = f"{score.score} points: {', '.join(score.rules_fired)}"
    return [_fired(f"fraud_rules_{score.risk_level.lower()}", _unless_challenged(action, facts), because)]


def _unless_challenged(action: str, facts: Facts) -> str:
    """A customer who went through 3-D Secure is not asked for it again: a person looks."""
    return "review" if action == "challenge_3ds" and facts.get("uses_3ds") else action


def _most_severe(fired: Sequence[FiredRule]) -> str:
    return max((one.action for one in fired), key=ACTIONS.index, default="approve")


def _fired(rule: str, action: str, because: str) -> FiredRule:
    return FiredRule(rule=rule, action=action, because=because)
