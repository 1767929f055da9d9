"""One dead letter taken apart as far as it can be read, for a person who wonders why it was refused."""

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import fastavro

from spark_jobs.decode import HEADER_BYTES

_BYTES_PER_LINE = 16
_LONGEST_VALUE = 200


def explain(letter: Mapping[str, Any], writers: Mapping[int, str], most_bytes: int) -> Iterator[str]:
    """Lines about a letter: where it lies, why it was refused, its header, its fields and its bytes.

    `writers` are the schemas that are known for its topic, by id.
    """
    value: bytes = letter["value"] or b""
    yield f"position    {letter['topic']}/{letter['partition']}/{letter['offset']}"
    yield f"in Kafka at {letter['kafka_timestamp']}"
    yield f"refused for {letter['reason']}: {letter['error']}"
    yield f"key         {letter['key']!r}"
    yield f"value       {'none' if letter['value'] is None else f'{len(value)} bytes'}"
    yield from _body(value, writers)
    yield from hex_dump(value, most_bytes)


def _body(value: bytes, writers: Mapping[int, str]) -> Iterator[str]:
    if len(value) < HEADER_BYTES or value[0] != 0:
        yield "header      none: a zero byte and a schema id must come first"
        return
    schema_id = int.from_bytes(value[1:HEADER_BYTES], "big")
    if schema_id not in writers:
        known = ", ".join(map(str, sorted(writers))) or "none"
        yield f"schema      {schema_id}, which the registry does not know for this topic (known: {known})"
        return
    yield f"schema      {schema_id}"
    yield from (f"  {line}" for line in fields(value[HEADER_BYTES:], json.loads(writers[schema_id])))


def fields(body: bytes, schema: dict[str, Any]) -> Iterator[str]:
    """The fields in order, each as `name = value`, up to the first that cannot be read, and what is left over."""
    source = BytesIO(body)
    named: dict[str, Any] = {}
    for field in schema["fields"]:
        began = source.tell()
        try:
            kind = fastavro.parse_schema(field["type"], named_schemas=named)
            read = fastavro.schemaless_reader(source, kind, None)
        except Exception as error:  # whatever a reader says of garbage
            yield f"{field['name']}: cannot be read at byte {began} of the body: {error or type(error).__name__}"
            return
        text = repr(read)
        yield f"{field['name']} = {text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + '…'}"
    if left := len(body) - source.tell():
        yield f"and {left} bytes that the schema does not explain"


def hex_dump(value: bytes, most: int) -> Iterator[str]:
    """Offset, bytes and what of them can be printed; the first `most` bytes."""
    for start in range(0, min(len(value), most), _BYTES_PER_LINE):
        piece = value[start : min(start + _BYTES_PER_LINE, most)]
        printed = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield f"{start:08x}  {piece.hex(' '):<{_BYTES_PER_LINE * 3}} {printed}"
    if len(value) > most:
        yield f"… and {len(value) - most} more bytes"
