"""Invented messages are such as the query decodes."""

import io
import json

import fastavro
import pytest

from domain.contracts import Topic, avro_schema
from spark_jobs.decode import HEADER_BYTES, wire_header
from spark_jobs.records import subscribed
from spark_jobs.stream.rehearsal import MESSAGES, invented

TOPICS = subscribed(("payments.transactions", "ecommerce.transactions", "customer.messages"))


@pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])
def test_messages_have_the_newest_schema_and_can_be_decoded(topic: Topic) -> None:
    schema = avro_schema(topic.name)
    rows = invented(topic, {7: '"string"', 12: json.dumps(schema)})
    assert rows.num_rows == MESSAGES
    assert set(rows.column("topic").to_pylist()) == {topic.name}
    for value in rows.column("value").to_pylist()[:50]:
        assert value[:HEADER_BYTES] == wire_header(12)
        body = io.BytesIO(value[HEADER_BYTES:])
        record = fastavro.schemaless_reader(body, fastavro.parse_schema(schema))
        assert record.keys() == {field["name"] for field in schema["fields"]}
        assert body.read() == b""
