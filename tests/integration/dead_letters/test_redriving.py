"""From refusal to acceptance with real services: a schema is registered late, and its messages are sent again."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

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
from local.ports import Ports
from local.repository import ROOT
from spark_jobs.decode import wire_header
from tests.e2e.hostile import CHECKOUT

TOPIC = topics()["ecommerce.transactions"]
LATE = "unknown_schema_id"
KEY = "late-schema"
GIFTS = [f"{KEY}-{number}" for number in range(3)]
"""The purchases that are written with the schema to come."""
WITHIN_S = 90.0
ASKED_AGAIN_S = 6.0
"""The stream asks the registry for an id that was absent again after five seconds."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of this test's own: its schema and its stream are nobody else's business."""
    with Platform(tmp_path_factory.mktemp("dead-letters"), Ports.free()) as started:
        started.start("stream")
        yield started


class Shop:
    """Sends purchases, and counts what became of them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._kafka = Producer({"bootstrap.servers": platform.site.kafka, "acks": "all"})

    def send(self, header: bytes, schema: dict[str, Any], record: dict[str, Any]) -> None:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
        self._kafka.produce(TOPIC.name, header + body.getvalue(), KEY)
        assert self._kafka.flush(30) == 0

    def in_lake(self, table: str, column: str, value: object) -> int:
        try:
            rows = DeltaTable(str(self.platform.site.lake / table)).to_pyarrow_table(columns=[column])
        except TableNotFoundError:
            return 0
        return int(pc.sum(pc.cast(pc.equal(rows.column(column), value), "int64")).as_py() or 0)

    def bought(self, name: str, schema_id: int, schema: dict[str, Any]) -> None:
        """Send a purchase of now, and wait for nothing."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = {**CHECKOUT, "transaction_id": name, "timestamp": now, "gift_note": "for you"}
        self.send(wire_header(schema_id), schema, record)

    def accounts(self) -> dict[str, int]:
        with psycopg.connect(self.platform.site.database_url("dbt")) as connection:
            row = connection.execute(
                "select count(*) from live.transactions where transaction_id = any(%s)", [GIFTS]
            ).fetchone()
        return {
            "live": row[0] if row else 0,
            "silver": sum(self.in_lake(TOPIC.silver, "transaction_id", name) for name in GIFTS),
            "letters": self.in_lake("dead_letters", "key", KEY.encode()),
            "bronze": self.in_lake(TOPIC.bronze, "key", KEY.encode()),
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
    shop = Shop(platform)
    coming, known, known_id = newest_id(platform) + 1, avro_schema(TOPIC.name), _known(platform)
    gift = {"name": "gift_note", "type": ["null", "string"], "default": None}
    extended = {**known, "fields": [*known["fields"], gift]}
    for name in GIFTS:
        shop.bought(name, coming, extended)
    shop.send(wire_header(known_id), known, {**CHECKOUT, "transaction_id": f"{KEY}-bad", "timestamp": "never"})
    wait_until(lambda: shop.in_lake("dead_letters", "key", KEY.encode()) == 4)

    assert register(platform, extended) == coming
    registered = time.monotonic()
    inspect_the_bad_one(platform)
    time.sleep(max(0.0, registered + ASKED_AGAIN_S - time.monotonic()))
    told = command(platform, "redrive", "--yes", "--topic", TOPIC.name)
    assert "sent: 3 (unknown_schema_id 3)\nwould be refused again: 1 (unreadable_timestamp 1)" in told
    wait_until(lambda: shop.accounts() == {"live": 3, "silver": 3, "letters": 4, "bronze": 7})

    assert "sent: 0\n" in command(platform, "redrive", "--yes", "--reason", LATE)
    forget_what_was_sent(platform)
    assert "sent: 3 (unknown_schema_id 3)" in command(platform, "redrive", "--yes", "--reason", LATE)
    shop.bought(f"{KEY}-last", known_id, known)
    wait_until(lambda: shop.in_lake(TOPIC.silver, "transaction_id", f"{KEY}-last") == 1)
    assert shop.accounts() == {"live": 3, "silver": 3, "letters": 4, "bronze": 11}
    rows = json.loads(command(platform, "count", "--topic", TOPIC.name, "--format", "json"))
    told_by_reason = {row["reason"]: (row["letters"], row["redriven"], row["came_back"]) for row in rows}
    assert told_by_reason == {LATE: (3, 3, 0), "unreadable_timestamp": (1, 0, 0)}


def inspect_the_bad_one(platform: Platform) -> None:
    listed = json.loads(command(platform, "list", "--reason", "unreadable_timestamp", "--format", "json"))
    text = command(platform, "inspect", listed[0]["position"])
    assert "timestamp = 'never'" in text
    assert "refused for unreadable_timestamp" in text


def forget_what_was_sent(platform: Platform) -> None:
    """As when the command is killed between Kafka's acknowledgement and its own note of it."""
    with psycopg.connect(platform.site.database_url("stream"), autocommit=True) as connection:
        connection.execute("delete from ops.redriven_letters")


def _known(platform: Platform) -> int:
    answer = httpx.get(f"{platform.site.registry}/subjects/{TOPIC.subject}/versions/latest", timeout=30)
    return int(answer.json()["id"])
