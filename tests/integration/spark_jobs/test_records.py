"""Messages on their way to Silver: decoded, judged and enriched by Spark as the domain says it in plain Python."""

import math
import random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from domain.contracts import Topic, expectations, reference, topics
from domain.enrichment import amount_bucket, composite_risk_score, risk_tier
from domain.money import to_minor, to_usd_minor
from spark_jobs import decode

from .conftest import collect, encode
from .events import payment, transaction

PAYMENTS = topics()["payments.transactions"]
TRANSACTIONS = topics()["ecommerce.transactions"]
MINUTE_MS = 60_000
AT_ARRIVAL_MS = 1772366430000


def judge(spark: SparkSession, topic: Topic, *values: bytes | None) -> list[tuple[int, set[str]]]:
    """Per message the verdict and the names of the failed expectations."""
    rows = collect(spark, topic, list(values)).select(["verdict", "failed"]).to_pylist()
    names = [one.name for one in expectations(topic.name)]
    return [(row["verdict"], {name for at, name in enumerate(names) if row["failed"] >> at & 1}) for row in rows]


def silver(spark: SparkSession, topic: Topic, *records: dict[str, Any]) -> list[dict[str, Any]]:
    """The Silver rows of these records."""
    rows = collect(spark, topic, [encode(topic, record) for record in records]).to_pylist()
    prefix = f"{topic.silver}__"
    return [{name.removeprefix(prefix): value for name, value in row.items()} for row in rows]


def test_what_cannot_be_read_is_told_apart(spark: SparkSession) -> None:
    good = encode(PAYMENTS, payment())
    told = judge(
        spark,
        PAYMENTS,
        good,
        b"garbage",
        None,
        b"",
        decode.wire_header(8) + good[5:],
        good[:40],
        decode.wire_header(7) + b"\xff" * 30,
        decode.wire_header(7) + b"\x80\x80\x80\x80\x0c" + b"x" * 40,
    )
    assert [verdict for verdict, _ in told] == [
        decode.DECODED,
        decode.NOT_WIRE_FORMAT,
        decode.NOT_WIRE_FORMAT,
        decode.NOT_WIRE_FORMAT,
        decode.UNKNOWN_SCHEMA_ID,
        decode.UNDECODABLE,
        decode.UNDECODABLE,
        decode.UNDECODABLE,
    ]


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, set()),
        ({"event_id": ""}, {"missing_event_id"}),
        ({"transaction_id": "  "}, {"missing_transaction_id"}),
        ({"amount": 0.0}, {"amount_not_positive"}),
        ({"amount": -5.0}, {"amount_not_positive"}),
        ({"amount": math.nan}, {"amount_not_positive"}),
        ({"amount": math.inf}, {"amount_not_positive"}),
        ({"amount": 1e300}, {"amount_not_positive"}),
        ({"fee_amount": -math.inf}, {"absurd_fee"}),
        ({"currency": "euro"}, {"malformed_currency", "currency_without_rate"}),
        ({"currency": "KWD"}, {"currency_without_rate"}),
        ({"attempt_number": 2**31 - 1}, {"absurd_attempt_number"}),
        ({"fraud_score": 1.01}, {"fraud_score_out_of_range"}),
        ({"fraud_score": math.nan}, {"fraud_score_out_of_range"}),
        ({"card_bin": "4000001234567890"}, {"card_number_too_long"}),
        ({"issuer": "x" * 70_000}, {"too_large", "overlong_issuer"}),
        ({"card_network": "x" * 513, "three_ds_outcome": None}, {"overlong_card_network"}),
        ({"event_id": "é" * 256}, set()),
        ({"event_id": "é" * 257}, {"overlong_event_id"}),
        ({"decline_reason": None}, set()),
        ({"event_timestamp": -62_000_000_000_000}, {"absurd_timestamp"}),
        ({"event_timestamp": (2**63 - 1) // 1000}, {"from_the_future"}),
        ({"event_timestamp": AT_ARRIVAL_MS + 5 * MINUTE_MS}, set()),
        ({"event_timestamp": AT_ARRIVAL_MS + 5 * MINUTE_MS + 1}, {"from_the_future"}),
    ],
)
def test_expectations_of_a_payment(spark: SparkSession, changes: dict[str, Any], broken: set[str]) -> None:
    assert judge(spark, PAYMENTS, encode(PAYMENTS, payment(**changes))) == [(decode.DECODED, broken)]


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"transaction_id": ""}, {"missing_transaction_id"}),
        ({"amount": -1.0}, {"amount_not_positive"}),
        ({"timestamp": "yesterday"}, {"unreadable_timestamp", "absurd_timestamp", "from_the_future"}),
        ({"timestamp": "1815-06-18T12:00:00Z"}, {"absurd_timestamp"}),
        ({"timestamp": "2026-03-02T12:00:00Z"}, {"from_the_future"}),
        ({"timestamp": "2026-03-01T13:00:00+01:00"}, set()),
    ],
)
def test_expectations_of_a_checkout(spark: SparkSession, changes: dict[str, Any], broken: set[str]) -> None:
    assert judge(spark, TRANSACTIONS, encode(TRANSACTIONS, transaction(**changes))) == [(decode.DECODED, broken)]


def test_spark_derives_what_the_domain_defines(spark: SparkSession) -> None:
    chance = random.Random(20260301)
    edges = [0.0, 0.3, 0.7, 1.0, -0.5, 1.5, math.nan, 10.0, 100.0, 1000.0, 0.005, 0.015, 1.005, 99.995]
    currencies = [*reference()["currencies"], "KWD", "CLP"]
    records = [
        payment(
            amount=chance.choice([*edges[7:], chance.uniform(0.01, 3000)]),
            currency=chance.choice(currencies),
            fraud_score=chance.choice([*edges[:7], chance.random()]),
            aml_risk_score=chance.choice([*edges[:7], chance.random()]),
            device_trust_score=chance.choice([*edges[:7], chance.random()]),
        )
        for _ in range(500)
    ]
    for record, row in zip(records, silver(spark, PAYMENTS, *records), strict=True):
        assert row["amount_minor"] == to_minor(record["amount"], record["currency"])
        assert row["amount_usd_minor"] == to_usd_minor(record["amount"], record["currency"])
        assert row["risk_tier"] == risk_tier(record["fraud_score"])
        assert row["amount_bucket"] == amount_bucket(record["amount"])
        assert row["composite_risk_score"] == composite_risk_score(
            record["fraud_score"], record["aml_risk_score"], record["device_trust_score"]
        )


def test_an_event_is_late_when_it_arrives_more_than_the_watermark_after_it_happened(spark: SparkSession) -> None:
    on_time = payment(event_timestamp=AT_ARRIVAL_MS - MINUTE_MS)
    late = payment(event_timestamp=AT_ARRIVAL_MS - MINUTE_MS - 1)
    assert [row["is_late"] for row in silver(spark, PAYMENTS, on_time, late)] == [False, True]


def test_a_checkout_gets_its_place_calendar_and_size(spark: SparkSession) -> None:
    row = silver(spark, TRANSACTIONS, transaction(amount=1000.0))[0]
    assert (row["city"], row["country"]) == ("Berlin", "Germany")
    assert (row["event_hour"], row["day_of_week"], row["is_weekend"]) == (12, 7, True)
    assert (row["amount_category"], row["is_high_value"]) == ("large", True)


def test_a_place_without_a_country_is_kept(spark: SparkSession) -> None:
    row = silver(spark, TRANSACTIONS, transaction(location="Atlantis"))[0]
    assert (row["city"], row["country"]) == ("Atlantis", None)


def test_identity_is_event_id_and_event_time(spark: SparkSession) -> None:
    rows = silver(
        spark, PAYMENTS, payment(), payment(amount=1.0), payment(event_id="e2"), payment(event_timestamp=AT_ARRIVAL_MS)
    )
    same, again, other_id, other_time = (row["identity"] for row in rows)
    assert same == again
    assert len({same, other_id, other_time}) == 3
