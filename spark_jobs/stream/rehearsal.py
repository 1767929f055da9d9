"""A batch of invented messages that goes nowhere, before the first real one.

Spark plans, generates and compiles a query with its first rows, and the JVM loads and compiles what runs them: seconds
that would otherwise pass while the first purchases wait to be seen.
"""

import io
import json
from collections.abc import Callable, Mapping

import fastavro
import pyarrow as pa
from fastavro.utils import generate_many
from pyspark.sql import DataFrame, SparkSession

from domain.contracts import Topic
from spark_jobs.decode import wire_header

ROUNDS = 3
MESSAGES = 2_000
"""Of each topic in a round."""

_COLUMNS = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("arrived_at", pa.timestamp("us", "UTC")),
        ("key", pa.binary()),
        ("value", pa.binary()),
    ]
)


def rehearse(
    spark: SparkSession,
    writers: Callable[[Topic], Mapping[int, str]],
    records: Callable[[Callable[[Topic], DataFrame]], DataFrame],
) -> None:
    """Run invented messages through `records`, the query's own plan over given messages, and drop what comes out."""

    def messages(topic: Topic) -> DataFrame:
        # Spread anew, or Spark would work the rows out while it plans, by other means than the query's.
        return spark.createDataFrame(invented(topic, writers(topic))).repartition(1)

    planned = records(messages)
    for _ in range(ROUNDS):
        planned.toArrow()


def invented(topic: Topic, writers: Mapping[int, str]) -> pa.Table:
    """Messages of a topic as Kafka gives them, in its newest schema, with random content."""
    schema_id = max(writers)
    schema = fastavro.parse_schema(json.loads(writers[schema_id]))
    values = []
    for record in generate_many(schema, MESSAGES):
        body = io.BytesIO(wire_header(schema_id))
        body.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(body, schema, record)
        values.append(body.getvalue())
    rows = range(MESSAGES)
    columns = [[topic.name] * MESSAGES, [0] * MESSAGES, list(rows), [0] * MESSAGES, [None] * MESSAGES, values]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, _COLUMNS, strict=True)], _COLUMNS)
