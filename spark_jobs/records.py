"""What the stream makes of each topic's messages: one function per topic, from decoded fields to Silver columns."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from domain.contracts import Topic, avro_schema, bands, expectations, rules, topics
from spark_jobs import decode, evolution
from spark_jobs.expressions import classify, composite_risk_score, failures, to_minor, to_usd_minor
from spark_jobs.fraud.expressions import EVENT_RULES, fired

MESSAGE_COLUMNS = ("topic", "partition", "offset", "arrived_at", "key", "value")


@dataclass(frozen=True)
class Lateness:
    """How long after it happened an event may arrive before it counts as late."""

    watermark_seconds: int

    def is_late(self, event_timestamp: Column, arrived_at: Column) -> Column:
        """Both instants belong to the message, so a batch that is run again marks the same rows."""
        return F.unix_micros(arrived_at) - F.lit(self.watermark_seconds * 1_000_000) > F.unix_micros(event_timestamp)


def payments(fields: DataFrame) -> DataFrame:
    """Silver columns of payments.transactions, one row per authorisation attempt."""
    amount, currency = F.col("amount"), F.col("currency")
    return fields.withColumns(
        {
            "amount_minor": to_minor(amount, currency),
            "amount_usd_minor": to_usd_minor(amount, currency),
            "fee_minor": to_minor(F.col("fee_amount"), currency),
            "risk_tier": classify(F.col("fraud_score"), bands("payments", "risk_tier")),
            "amount_bucket": classify(amount, bands("payments", "amount_bucket")),
            "is_cross_border": F.col("merchant_country") != F.col("issuer_country"),
            "composite_risk_score": composite_risk_score(
                F.col("fraud_score"), F.col("aml_risk_score"), F.col("device_trust_score")
            ),
            **_calendar(),
        }
    )


def transactions(fields: DataFrame) -> DataFrame:
    """Silver columns of ecommerce.transactions, one row per purchase as the shop saw it."""
    place = F.split("location", ",")
    return (
        fields.withColumns(
            {
                "event_timestamp": F.try_to_timestamp(F.col("timestamp")),
                "city": F.trim(F.try_element_at(place, F.lit(1))),
                "country": F.trim(F.try_element_at(place, F.lit(2))),
                "amount_category": classify(F.col("amount"), bands("transactions", "amount_category")),
                "is_high_value": F.col("amount") >= F.lit(float(rules()["transactions"]["high_value_at"])),
            }
        )
        .withColumns(_calendar())
        .transform(_judged)
    )


def messages(fields: DataFrame) -> DataFrame:
    """Silver columns of customer.messages, one row per message; `language` is what the client claims."""
    return fields.withColumn("event_timestamp", F.try_to_timestamp(F.col("timestamp"))).withColumns(_calendar())


def _judged(purchases: DataFrame) -> DataFrame:
    """With the fraud rules that fire on the event alone; the stream adds those that take history."""
    return purchases.withColumn(EVENT_RULES, fired(purchases.columns))


def _calendar() -> dict[str, Column]:
    """Date, hour, ISO day of week (Monday is 1) and weekend of the event, UTC."""
    at = F.col("event_timestamp")
    return {
        "event_date": F.to_date(at),
        "event_hour": F.hour(at),
        "day_of_week": F.weekday(at) + 1,
        "is_weekend": F.weekday(at) >= 5,
    }


SILVER: Mapping[str, Callable[[DataFrame], DataFrame]] = {
    "payments.transactions": payments,
    "ecommerce.transactions": transactions,
    "customer.messages": messages,
}
"""The Silver transform of each topic that the stream reads."""


def silver_records(
    messages: DataFrame,
    topic: Topic,
    writers: Mapping[int, str],
    lateness: Lateness,
    carried: tuple[str, ...] = (),
) -> DataFrame:
    """Every message of a topic, with `verdict`, the bits of `failed` expectations, `identity`, and its Silver columns.

    `identity` is a hash of topic, event id and event time; the Silver columns are prefixed, see silver_prefix. Columns
    of the messages that are to be `carried` along stay as they are.
    """
    kept = (*MESSAGE_COLUMNS, *carried)
    added = evolution.additions(topic, writers)
    decoded = decode.decode(messages, writers, json.dumps(evolution.reader_schema(topic, added)))
    fields = [F.col(f"record.{field['name']}") for field in avro_schema(topic.name)["fields"]]
    derived = SILVER[topic.name](decoded.select(*kept, "verdict", "record", *fields))
    derived = derived.withColumn("is_late", lateness.is_late(F.col("event_timestamp"), F.col("arrived_at")))
    derived = _with_additions(derived, [field["name"] for field in added])
    silver = [name for name in derived.columns if name not in (*kept, "verdict")]
    failed = F.when(F.col("verdict") == decode.DECODED, failures(expectations(topic.name))).otherwise(F.lit(0))
    identity = F.xxhash64("topic", topic.event_id, "event_timestamp")
    renamed = [F.col(name).alias(silver_prefix(topic) + name) for name in silver]
    return derived.select(*kept, "verdict", failed.alias("failed"), identity.alias("identity"), *renamed)


def _with_additions(derived: DataFrame, names: list[str]) -> DataFrame:
    """With a column for each field that the contract does not know; the record itself is taken out."""
    for name in names:
        type_of = derived.select(f"record.{name}").schema[0].dataType
        value = evolution.silver_value(F.col(f"record.{name}"), type_of)
        derived = derived.withColumn(evolution.silver_name(name, derived.columns), value)
    return derived.drop("record")


def silver_prefix(topic: Topic) -> str:
    """What sets the Silver columns of one topic apart in a batch that holds several.

    (A struct would say it better, but structs of a union cannot be collected as Arrow in Spark 4.1.)
    """
    return f"{topic.silver}__"


def subscribed(names: tuple[str, ...]) -> list[Topic]:
    """The topics to read; an unknown name is refused."""
    unknown = sorted(set(names) - set(SILVER))
    if unknown:
        raise ValueError(f"no Silver transform for topic {', '.join(unknown)}; known: {', '.join(sorted(SILVER))}")
    return [topics()[name] for name in names]
