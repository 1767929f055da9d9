"""Fields that a registered schema has beyond the contract: they are read and kept in Silver, with no change of code."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from domain.contracts import Topic, avro_schema

log = logging.getLogger("stream")

Field = Mapping[str, Any]

_OF_THE_PLATFORM = {
    "topic", "partition", "offset", "key", "value", "arrived_at", "verdict", "failed", "identity", "batch_id",
    "source_partition", "source_offset", "is_late", "ingested_at", "kafka_timestamp", "date", "record",
}  # fmt: skip


def additions(topic: Topic, writers: Mapping[int, str]) -> list[Field]:
    """Optional fields that any writer has and the contract has not; of two with one name, that of the older schema.

    A field without a default cannot be read from older messages and is left out; the registry refuses such a schema.
    """
    known = {field["name"].lower() for field in avro_schema(topic.name)["fields"]}
    found: list[Field] = []
    for _, text in sorted(writers.items()):
        for field in json.loads(text).get("fields", []):
            if field["name"].lower() not in known and "default" in field and _is_readable(topic, [*found, field]):
                known.add(field["name"].lower())
                found.append(field)
    return found


def reader_schema(topic: Topic, added: Iterable[Field]) -> dict[str, Any]:
    """The contract's schema with more fields at its end."""
    schema = avro_schema(topic.name)
    return {**schema, "fields": [*schema["fields"], *added]}


def silver_name(field: str, taken: Iterable[str]) -> str:
    """The column of a field in Silver: its own name, or with `_field` behind it where that is something else."""
    names = {name.lower() for name in taken} | _OF_THE_PLATFORM
    while field.lower() in names:
        field += "_field"
    return field


def silver_value(value: Column, type_of: DataType) -> Column:
    """The value as Silver keeps it; what has parts of its own is kept as JSON."""
    return F.to_json(value) if isinstance(type_of, StructType | ArrayType | MapType) else value


def _is_readable(topic: Topic, added: list[Field]) -> bool:
    """Whether the schema stands by itself; a field may use a type that is defined elsewhere in its writer's schema."""
    try:
        fastavro.parse_schema(reader_schema(topic, added))
    except (SchemaParseException, UnknownType) as error:
        log.warning("field %s of %s is left out: %s", added[-1]["name"], topic.name, error)
        return False
    return True
