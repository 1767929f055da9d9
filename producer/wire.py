"""The registry's wire format: a zero byte, the schema id in four bytes, then the Avro body."""

import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_writer

from domain.contracts import avro_schema

HEADER = struct.Struct(">bI")
UNKNOWN_SCHEMA_ID = 2_000_000_000


class Encoder:
    """Turns records into message values; parses each schema once."""

    def __init__(self, schema_ids: Mapping[str, int]) -> None:
        self._schemas = {topic: parse_schema(avro_schema(topic)) for topic in schema_ids}
        self._headers = {topic: HEADER.pack(0, schema_id) for topic, schema_id in schema_ids.items()}

    def encode(self, topic: str, record: Mapping[str, Any], damage: str | None = None) -> bytes:
        """The message value of a record; `damage` names a fault that lies in the bytes, not in the record."""
        buffer = BytesIO()
        schemaless_writer(buffer, self._schemas[topic], record)
        body = buffer.getvalue()
        if damage is None:
            return self._headers[topic] + body
        if damage == "unknown_schema":
            return HEADER.pack(0, UNKNOWN_SCHEMA_ID) + body
        return self._undecodable(topic, body)

    def _undecodable(self, topic: str, body: bytes) -> bytes:
        """Half of them end too early, the others carry no header at all."""
        return self._headers[topic] + body[: len(body) // 2] if len(body) % 2 else b"{" + body
