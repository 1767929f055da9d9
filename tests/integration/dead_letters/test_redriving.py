"""From refusal to acceptance with real services: a schema is registered late, and its messages are sent again."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import fastavro
import httpx
import psycopg
import pyarrow.compute as pc
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from domain.contracts import avro_schema, topics
from local.artifacts import ensure
from local.platform import Platform
from local.repository import ROOT
from spark_jobs.decode import wire_header
from tests.e2e.hostile import CHECKOUT

TOPIC = topics()["ecommerce.transactions"]
WITHIN_S = 90.0


class Shop:
    """Sends purchases, and counts what became of them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.key = f"late-schema-{uuid4()}"
        self._kafka = Producer({"bootstrap.servers": platform.site.kafka, "acks": "all"})

    def send(self, header: bytes, schema: dict[str, Any], record: dict[str, Any]) -> None:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
        self._kafka.produce(TOPIC.name, header + body.getvalue(), self.key)
        assert self._kafka.flush(30) == 0

    def in_lake(self, table: str, column: str, value: object) -> int:
        try:
            rows = DeltaTable(str(self.platform.site.lake / table)).to_pyarrow_table(columns=[column])
        except TableNotFoundError:
            return 0
        return int(pc.sum(pc.cast(pc.equal(rows.column(column), value), "int64")).as_py() or 0)

    def accounts(self) -> dict[str, int]:
        with psycopg.connect(self.platform.site.database_url("dbt")) as connection:
            row = connection.execute(
                "select count(*) from live.transactions where transaction_id like %s", [f"{self.key}%"]
            ).fetchone()
        return {
            "live": row[0] if row else 0,
            "silver": sum(self.in_lake(TOPIC.silver, "transaction_id", f"{self.key}-{number}") for number in range(3)),
            "letters": self.in_lake("dead_letters", "key", self.key.encode()),
            "bronze": self.in_lake(TOPIC.bronze, "key", self.key.encode()),
        }


def command(platform: Platform, *arguments: str) -> str:
    env = {
        "PATH": "/usr/bin:/bin",
        **platform.env,
        "DATABASE_URL": platform.site.database_url("stream"),
        "STREAM_JARS_DIR": str(ensure("spark")),
    }
    done = subprocess.run(
        [sys.executable, "-m", "spark_jobs", "dead-letters", *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.3)


def register(platform: Platform, schema: dict[str, Any]) -> int:
    answer = httpx.post(
        f"{platform.site.registry}/subjects/{TOPIC.subject}/versions", json={"schema": json.dumps(schema)}, timeout=30
    )
    answer.raise_for_status()
    return int(answer.json()["id"])


def newest_id(platform: Platform) -> int:
    """The last schema id that the registry gave out."""
    registry = platform.site.registry
    subjects = httpx.get(f"{registry}/subjects", timeout=30).json()
    latest = [httpx.get(f"{registry}/subjects/{one}/versions/latest", timeout=30).json() for one in subjects]
    return max(int(one["id"]) for one in latest)


@pytest.mark.slow
def test_letters_of_a_schema_registered_late_are_accepted_once(platform: Platform) -> None:
    platform.start("stream")
    shop = Shop(platform)
    coming, known = newest_id(platform) + 1, avro_schema(TOPIC.name)
    gift = {"name": "gift_note", "type": ["null", "string"], "default": None}
    extended = {**known, "fields": [*known["fields"], gift]}
    for number in range(3):
        event = {**CHECKOUT, "transaction_id": f"{shop.key}-{number}", "timestamp": _now(), "gift_note": "for you"}
        shop.send(wire_header(coming), extended, event)
    bad = {**CHECKOUT, "transaction_id": f"{shop.key}-bad", "timestamp": "never"}
    shop.send(wire_header(_known(platform)), known, bad)
    wait_until(lambda: shop.in_lake("dead_letters", "key", shop.key.encode()) == 4)
    assert "would be accepted: 0" in command(platform, "redrive", "--dry-run", "--topic", TOPIC.name)
    assert register(platform, extended) == coming
    time.sleep(6)
    assert "sent: 3 (unknown_schema_id 3)" in command(platform, "redrive", "--yes", "--topic", TOPIC.name)
    wait_until(lambda: shop.accounts() == {"live": 3, "silver": 3, "letters": 4, "bronze": 7})
    again = command(platform, "redrive", "--yes", "--topic", TOPIC.name)
    assert "sent: 0" in again
    with psycopg.connect(platform.site.database_url("stream"), autocommit=True) as connection:
        connection.execute("delete from ops.redriven_letters")
    assert "sent: 3" in command(platform, "redrive", "--yes", "--topic", TOPIC.name)
    wait_until(lambda: shop.accounts()["bronze"] == 10)
    time.sleep(2)
    assert shop.accounts() == {"live": 3, "silver": 3, "letters": 4, "bronze": 10}
    rows = json.loads(command(platform, "count", "--topic", TOPIC.name, "--format", "json"))
    told = {row["reason"]: (row["letters"], row["redriven"], row["came_back"]) for row in rows}
    assert told["unknown_schema_id"] == (3, 3, 0)
    assert told["unreadable_timestamp"] == (1, 0, 0)
    listed = json.loads(command(platform, "list", "--reason", "unreadable_timestamp", "--format", "json"))
    text = command(platform, "inspect", listed[0]["position"])
    assert "timestamp = 'never'" in text
    assert "refused for unreadable_timestamp" in text


def _known(platform: Platform) -> int:
    answer = httpx.get(f"{platform.site.registry}/subjects/{TOPIC.subject}/versions/latest", timeout=30)
    return int(answer.json()["id"])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
