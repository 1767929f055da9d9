"""The fraud rules in plain Python; spark_jobs.fraud.expressions builds the same for Spark from the same declaration."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from domain.contracts import bands, rules
from domain.enrichment import classify

VELOCITY = "velocity_30m"
"""The one fact that is not in the event itself: see velocity_window_seconds."""


@dataclass(frozen=True)
class FraudRule:
    """Points that a purchase scores when a fact about it meets the check."""

    name: str
    points: int
    column: str
    check: Literal["true", "above", "in"]
    limit: float | None = None
    values: tuple[str | int, ...] = ()

    def fires(self, fact: Any) -> bool:
        """Whether the rule applies to the value of its column; a missing one or NaN fires nothing."""
        if fact is None:
            return False
        match self.check:
            case "true":
                return fact is True
            case "above":
                return bool(fact > self.limit)
            case "in":
                return fact in self.values


@dataclass(frozen=True)
class FraudScore:
    """The sum of points, the level it amounts to, and the names of the rules that fired, in the order declared."""

    score: int
    risk_level: str
    rules_fired: tuple[str, ...]

    @property
    def is_alert(self) -> bool:
        """Whether the level is one that is told at once."""
        return self.risk_level in rules()["fraud"]["alert_levels"]


@cache
def fraud_rules() -> tuple[FraudRule, ...]:
    """All rules as declared in contracts/rules.toml."""
    return tuple(FraudRule(**{**row, "values": tuple(row.get("values", ()))}) for row in rules()["fraud"]["rules"])


@cache
def velocity_window_seconds() -> int:
    """Length of the trailing window of `velocity_30m`, open at its beginning and closed at the purchase itself."""
    return int(rules()["fraud"]["velocity_window_minutes"] * 60)


def score(facts: Mapping[str, Any]) -> FraudScore:
    """Score a purchase by its facts: the columns of transactions_silver, and `velocity_30m`."""
    return score_of_rules(rule.name for rule in fraud_rules() if rule.fires(facts.get(rule.column)))


def score_of_rules(names: Iterable[str]) -> FraudScore:
    """The score when exactly these rules fired."""
    fired = set(names)
    chosen = [rule for rule in fraud_rules() if rule.name in fired]
    points = sum(rule.points for rule in chosen)
    return FraudScore(points, classify(points, bands("fraud", "levels")), tuple(rule.name for rule in chosen))
