"""The contracts as Spark expressions: the same rules that domain/ states in plain Python."""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from domain.contracts import Band, Expectation, reference, rules


def classify(value: Column, rule: Sequence[Band]) -> Column:
    """Name of the band a value falls into; see domain.enrichment.classify."""
    *bounded, last = rule
    chosen = F.lit(last.value)
    for band in reversed(bounded):
        chosen = F.when(value < F.lit(float(band.below or 0)), F.lit(band.value)).otherwise(chosen)
    return chosen


def composite_risk_score(fraud: Column, aml: Column, device_trust: Column) -> Column:
    """Weighted risk 0..1; see domain.enrichment.composite_risk_score."""
    weights = rules()["payments"]["composite_risk_weights"]
    return (
        F.lit(weights["fraud_score"]) * _clamp(fraud, worst=1.0)
        + F.lit(weights["aml_risk_score"]) * _clamp(aml, worst=1.0)
        + F.lit(weights["device_distrust"]) * (F.lit(1.0) - _clamp(device_trust, worst=0.0))
    )


def _clamp(score: Column, worst: float) -> Column:
    return F.when(F.isnan(score), F.lit(worst)).otherwise(F.least(F.greatest(score, F.lit(0.0)), F.lit(1.0)))


def to_minor(amount: Column, currency: Column) -> Column:
    """Integer amount in the currency's minor unit; see domain.money.to_minor."""
    return F.floor(amount * _minor_units(currency) + F.lit(0.5)).cast("long")


def _minor_units(currency: Column) -> Column:
    exponents: dict[str, int] = reference()["minor_unit_exponents"]
    units = F.lit(100.0)
    for exponent in sorted(set(exponents.values())):
        codes = sorted(code for code, value in exponents.items() if value == exponent)
        units = F.when(currency.isin(codes), F.lit(float(10**exponent))).otherwise(units)
    return units


def to_usd_minor(amount: Column, currency: Column) -> Column:
    """US cents at the fixed reporting rate, null for a currency without one; see domain.money.to_usd_minor."""
    pairs = [F.lit(item) for pair in sorted(reference()["currencies"].items()) for item in pair]
    return F.floor(amount * F.try_element_at(F.create_map(*pairs), currency) * F.lit(100) + F.lit(0.5)).cast("long")


def failures(expected: Sequence[Expectation]) -> Column:
    """Bit i of the result is set when expectation i does not hold. Needs columns `value` and `arrived_at`.

    The bit of a `clean` expectation is left to spark_jobs.stream.text, which searches whole columns at once.
    """
    bits = [
        F.when(_holds(one), F.lit(0)).otherwise(F.lit(1 << position)).cast("long")
        for position, one in enumerate(expected)
        if one.check != "clean"
    ]
    return reduce(lambda left, right: left.bitwiseOR(right), bits, F.lit(0).cast("long"))


def _holds(one: Expectation) -> Column:
    """The expectation as a condition; anything but true, so null too, counts as a failure."""
    column = F.col(one.column) if one.column else F.lit(None)
    match one.check:
        case "present":
            return column.isNotNull() & (F.length(F.trim(column)) > 0)
        case "known":
            return column.isNotNull()
        case "positive":
            return (column > 0) & (column <= F.lit(one.max))
        case "between":
            return (column >= F.lit(one.min)) & (column <= F.lit(one.max))
        case "matches":
            return column.rlike(str(one.pattern))
        case "listed":
            return column.isin(sorted(reference()[str(one.table)]))
        case "since":
            return column >= F.lit(one.min).cast("timestamp")
        case "arrived":
            ahead = F.lit(int(one.max_ahead_seconds or 0) * 1_000_000)
            return F.unix_micros(column) <= F.unix_micros(F.col("arrived_at")) + ahead
        case "small":
            return F.octet_length(F.col("value")) <= F.lit(one.max_bytes)
        case "short":
            return column.isNull() | (F.octet_length(column) <= F.lit(one.max_bytes))
        case "clean":
            raise ValueError("`clean` is no Spark expression")
