"""A Spark session for the transforms, and messages to feed them."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from domain.contracts import Topic, avro_schema, avro_schema_text
from local.artifacts import ensure
from spark_jobs.decode import wire_header
from spark_jobs.records import Lateness, silver_records
from spark_jobs.session import make_session
from spark_jobs.settings import StreamSettings

ARRIVAL = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
SCHEMA_ID = 7


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    settings = StreamSettings(DATABASE_URL="unused", SPARK_MASTER="local[1]", jars_dir=ensure("spark"))
    session = make_session("tests", settings)
    yield session
    session.stop()


def encode(topic: Topic, record: dict[str, Any]) -> bytes:
    """The record in the registry's wire format."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(avro_schema(topic.name)), record)
    return wire_header(SCHEMA_ID) + body.getvalue()


def collect(spark: SparkSession, topic: Topic, values: list[bytes | None], first_offset: int = 0) -> pa.Table:
    """What the stream would collect of these messages, all on partition 0."""
    rows = [(topic.name, 0, first_offset + at, ARRIVAL, b"k", value) for at, value in enumerate(values)]
    columns = "topic string, partition int, offset long, arrived_at timestamp, key binary, value binary"
    messages = spark.createDataFrame(rows, columns)
    writers = {SCHEMA_ID: avro_schema_text(topic.name)}
    return silver_records(messages, topic, writers, Lateness(watermark_seconds=60)).toArrow()
