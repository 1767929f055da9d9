"""The fraud rules in Spark and in plain Python agree on every purchase: simulated ones, and each edge of each rule."""

import itertools
import math
from typing import Any

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DoubleType, IntegerType, LongType, StringType, StructField, StructType

from domain import fraud
from producer.events import CHECKOUTS
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator
from spark_jobs.fraud import expressions

SATURDAY_EVENING_MS = 1_772_319_600_000
PURCHASES = 3_000

FACTS = StructType(
    [
        StructField("is_fraud", BooleanType()),
        StructField("amount", DoubleType()),
        StructField("payment_method", StringType()),
        StructField("country", StringType()),
        StructField("event_hour", IntegerType()),
        StructField("is_weekend", BooleanType()),
        StructField("velocity_30m", LongType()),
    ]
)
EDGES: dict[str, list[Any]] = {
    "is_fraud": [True, False, None],
    "amount": [4999.99, 5000.0, 5000.01, math.nan, math.inf, None],
    "payment_method": ["crypto", "Crypto", "paypal", None],
    "country": ["Nigeria", "VN", "Germany", "", None],
    "event_hour": [22, 23, 0, 4, 5, None],
    "is_weekend": [True, False, None],
    "velocity_30m": [5, 6, None],
}


def simulated() -> list[dict[str, Any]]:
    """Purchases of the simulator; the velocity is drawn from their order, for here it is a fact like any other."""
    schedule = Schedule(0.05, SATURDAY_EVENING_MS, "constant", None, PURCHASES)
    events = Simulator(Scenario(3, schedule, customers=500, bad_shares={}))
    records = [event.record for event in events if event.topic == CHECKOUTS]
    return [
        {
            "is_fraud": record["is_fraud"],
            "amount": record["amount"],
            "payment_method": record["payment_method"],
            "country": record["location"].partition(", ")[2],
            "event_hour": number % 24,
            "is_weekend": number % 7 > 4,
            "velocity_30m": number % 11,
        }
        for number, record in enumerate(records)
    ]


def edges() -> list[dict[str, Any]]:
    """Every pair of edge values of every two facts, the others quiet."""
    quiet = {name: values[-1] for name, values in EDGES.items()}
    return [
        {**quiet, one: first, other: second}
        for one, other in itertools.combinations(EDGES, 2)
        for first, second in itertools.product(EDGES[one], EDGES[other])
    ]


def test_spark_and_python_give_every_purchase_the_same_score(spark: SparkSession) -> None:
    purchases = [*simulated(), *edges()]
    frame = spark.createDataFrame([Row(**one) for one in purchases], FACTS).coalesce(1)
    bits = expressions.fired(FACTS.names)
    judged = frame.select(bits.alias("bits")).select(
        expressions.names(F.col("bits")).alias("rules"),
        expressions.score(F.col("bits")).alias("score"),
        expressions.risk_level(expressions.score(F.col("bits"))).alias("level"),
    )
    found = [(tuple(row.rules), row.score, row.level) for row in judged.collect()]
    expected = [(one.rules_fired, one.score, one.risk_level) for one in map(fraud.score, purchases)]
    assert found == expected
    assert {level for _, _, level in found} == {"MINIMAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"}
    assert {rule for rules, _, _ in found for rule in rules} == {rule.name for rule in fraud.fraud_rules()}


def test_rules_on_facts_that_are_not_there_are_left_out(spark: SparkSession) -> None:
    (row,) = spark.range(1).select(F.lit(True).alias("is_fraud")).select(expressions.fired(["is_fraud"])).collect()
    assert row[0] == 1
