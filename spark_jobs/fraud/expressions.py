"""The fraud rules as Spark expressions; domain.fraud states the same in plain Python, from the same declaration.

While they travel, the rules that fired are the bits of a number: bit i stands for the i-th declared rule.
"""

from collections.abc import Iterable
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from domain.contracts import bands
from domain.fraud import FraudRule, fraud_rules
from spark_jobs.expressions import classify

EVENT_RULES = "fraud_rules"
"""Column of a collected batch with the bits of the rules that fire on the event alone; it is not kept in Silver."""


def fired(columns: Iterable[str]) -> Column:
    """Bits of the rules that fire, among those whose fact is one of these columns."""
    known = set(columns)
    bits = [
        F.when(_fires(rule), F.lit(1 << at)).otherwise(F.lit(0)).cast("long")
        for at, rule in enumerate(fraud_rules())
        if rule.column in known
    ]
    return reduce(lambda left, right: left.bitwiseOR(right), bits, F.lit(0).cast("long"))


def names(bits: Column) -> Column:
    """The names of the rules that fired, in the order declared."""
    return F.array_compact(
        F.array(*[F.when(_has(bits, at), F.lit(rule.name)) for at, rule in enumerate(fraud_rules())])
    )


def score(bits: Column) -> Column:
    """The sum of the points of the rules that fired."""
    points = [F.when(_has(bits, at), F.lit(rule.points)).otherwise(F.lit(0)) for at, rule in enumerate(fraud_rules())]
    return reduce(lambda left, right: left + right, points)


def risk_level(points: Column) -> Column:
    """The level that a score amounts to."""
    return classify(points, bands("fraud", "levels"))


def _has(bits: Column, at: int) -> Column:
    return bits.bitwiseAND(F.lit(1 << at)) != 0


def _fires(rule: FraudRule) -> Column:
    fact = F.col(rule.column)
    match rule.check:
        case "true":
            return fact
        case "above":
            return (fact > F.lit(rule.limit)) & ~F.isnan(fact.cast("double"))
        case "in":
            return fact.isin(list(rule.values))
