"""From Kafka messages in the registry's wire format to typed columns."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

HEADER_BYTES = 5
"""A zero byte and the schema id as a big-endian 32-bit integer precede the Avro body."""

DECODED, NOT_WIRE_FORMAT, UNKNOWN_SCHEMA_ID, UNDECODABLE = range(4)
"""Values of the column `verdict`."""


def wire_header(schema_id: int) -> bytes:
    """The first five bytes of every message written with this schema."""
    return b"\0" + schema_id.to_bytes(HEADER_BYTES - 1, "big")


def projection(schema: Mapping[str, Any], fields: Sequence[str]) -> str:
    """The schema cut down to some fields, as JSON: readers skip the rest without decoding it."""
    return json.dumps({**schema, "fields": [field for field in schema["fields"] if field["name"] in fields]})


def decode(messages: DataFrame, writers: Mapping[int, str], reader: str) -> DataFrame:
    """Add `record`, the message's fields (all null where it cannot be read), and `verdict`.

    `writers` maps each known schema id to the schema text it stands for; `reader` is the schema to read them as.
    """
    required = json.loads(reader)["fields"][0]["name"]
    decoded = messages.withColumn("record", _record(writers, reader))
    return decoded.withColumn("verdict", _verdict(writers, F.col("record").getField(required)))


def _header() -> Column:
    return F.expr(f"substring(value, 1, {HEADER_BYTES})")


def _record(writers: Mapping[int, str], reader: str) -> Column:
    body = F.expr(f"substring(value, {HEADER_BYTES + 1})")
    options = {"avroSchema": reader, "mode": "PERMISSIVE"}
    chosen = F.when(F.lit(False), from_avro(body, reader, options))
    for schema_id, writer in sorted(writers.items()):
        chosen = chosen.when(_header() == F.lit(wire_header(schema_id)), from_avro(body, writer, options))
    return chosen


def _verdict(writers: Mapping[int, str], required: Column) -> Column:
    known = [wire_header(schema_id) for schema_id in sorted(writers)]
    has_header = (F.octet_length("value") >= HEADER_BYTES) & (F.expr("substring(value, 1, 1)") == F.lit(b"\0"))
    return (
        F.when(~F.coalesce(has_header, F.lit(False)), F.lit(NOT_WIRE_FORMAT))
        .when(~_header().isin(known), F.lit(UNKNOWN_SCHEMA_ID))
        .when(required.isNull(), F.lit(UNDECODABLE))
        .otherwise(F.lit(DECODED))
    )
