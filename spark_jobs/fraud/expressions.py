"""The fraud rules as Spark expressions; domain.fraud states the same in plain Python, from the same declaration."""

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

from domain.contracts import bands
from domain.fraud import FraudRule, fraud_rules
from spark_jobs.expressions import classify


def rules_fired(columns: Iterable[str]) -> Column:
    """Names of the rules that fire, in the order declared, among those whose fact is one of these columns."""
    known = set(columns)
    chosen = [F.when(_fires(rule), F.lit(rule.name)) for rule in fraud_rules() if rule.column in known]
    return F.array_compact(F.array(*chosen))


def score(fired: Column) -> Column:
    """The sum of the points of the rules named in an array."""
    total = F.lit(0)
    for rule in fraud_rules():
        total = total + F.when(F.array_contains(fired, rule.name), F.lit(rule.points)).otherwise(F.lit(0))
    return total


def risk_level(points: Column) -> Column:
    """The level that a score amounts to."""
    return classify(points, bands("fraud", "levels"))


def _fires(rule: FraudRule) -> Column:
    fact = F.col(rule.column)
    match rule.check:
        case "true":
            return fact
        case "above":
            return (fact > F.lit(rule.limit)) & ~F.isnan(fact.cast("double"))
        case "in":
            return fact.isin(list(rule.values))
