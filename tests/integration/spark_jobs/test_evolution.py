"""A schema grows: what the contract does not know is read and kept, and nothing else changes."""

import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from domain.contracts import avro_schema, avro_schema_text, topics
from spark_jobs import decode
from spark_jobs.evolution import additions
from spark_jobs.records import Lateness, silver_records

from .conftest import ARRIVAL, SCHEMA_ID, collect, encode
from .events import payment, transaction

PAYMENTS = topics()["payments.transactions"]
TRANSACTIONS = topics()["ecommerce.transactions"]
NEW_ID = 8
COUPON = {"name": "coupon", "type": ["null", "string"], "default": None}


def grown(topic: str, *fields: dict[str, Any]) -> dict[str, Any]:
    schema = avro_schema(topic)
    return {**schema, "fields": [*schema["fields"], *fields]}


def silver(spark: SparkSession, topic: Any, schema: dict[str, Any], *records: dict[str, Any]) -> pa.Table:
    """Silver rows of a message written with the contract's schema and of one message for each record."""
    values = [encode(topic, payment() if topic is PAYMENTS else transaction())]
    for record in records:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
        values.append(decode.wire_header(NEW_ID) + body.getvalue())
    rows = [(topic.name, 0, at, ARRIVAL, b"k", value) for at, value in enumerate(values)]
    messages = spark.createDataFrame(
        rows, "topic string, partition int, offset long, arrived_at timestamp, key binary, value binary"
    )
    writers = {SCHEMA_ID: avro_schema_text(topic.name), NEW_ID: json.dumps(schema)}
    found = silver_records(messages, topic, writers, Lateness(watermark_seconds=60)).toArrow().sort_by("offset")
    assert found.column("verdict").to_pylist() == [decode.DECODED] * len(values)
    prefix = f"{topic.silver}__"
    return found.rename_columns([name.removeprefix(prefix) for name in found.column_names])


def test_a_new_optional_field_is_kept_beside_what_was_there(spark: SparkSession) -> None:
    schema = grown(PAYMENTS.name, COUPON)
    found = silver(spark, PAYMENTS, schema, payment(coupon="SPRING"), payment(coupon=None))
    assert found.column("coupon").to_pylist() == [None, "SPRING", None]
    before = collect(spark, PAYMENTS, [encode(PAYMENTS, payment())])
    names = [name.removeprefix("payments_enriched_silver__") for name in before.column_names]
    assert found.column_names == [*names, "coupon"]
    assert found.select(names).slice(0, 1).drop_columns(["identity"]).to_pylist() == (
        before.rename_columns(names).drop_columns(["identity"]).to_pylist()
    )


@pytest.mark.parametrize("name", ["risk_tier", "Batch_ID", "value", "event_date"])
def test_a_field_with_a_name_of_ours_is_kept_under_another(spark: SparkSession, name: str) -> None:
    found = silver(spark, PAYMENTS, grown(PAYMENTS.name, {**COUPON, "name": name}), payment(**{name: "theirs"}))
    assert found.column(f"{name}_field").to_pylist() == [None, "theirs"]
    assert found.column("risk_tier").to_pylist() == ["LOW", "LOW"]


def test_a_field_with_parts_is_kept_as_json(spark: SparkSession) -> None:
    parts = {"type": "record", "name": "Basket", "fields": [{"name": "items", "type": "int"}]}
    field = {"name": "basket", "type": ["null", parts], "default": None}
    listed = {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []}
    schema = grown(TRANSACTIONS.name, field, listed)
    found = silver(spark, TRANSACTIONS, schema, transaction(basket={"items": 3}, tags=["a"]))
    assert found.column("basket").to_pylist() == [None, '{"items":3}']
    assert found.column("tags").to_pylist() == ["[]", '["a"]']


def test_a_field_whose_type_is_defined_elsewhere_is_left_out() -> None:
    schema = grown(TRANSACTIONS.name, {"name": "twin", "type": ["null", "Unheard.Of"], "default": None}, COUPON)
    writers = {SCHEMA_ID: avro_schema_text(TRANSACTIONS.name), NEW_ID: json.dumps(schema)}
    assert [field["name"] for field in additions(TRANSACTIONS, writers)] == ["coupon"]
