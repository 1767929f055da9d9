"""Postgres, Kafka and the registry as local processes: they start, survive a kill, and keep what they were given."""

import time
from pathlib import Path

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local.platform import Platform

SCHEMA = '{"type": "record", "name": "Note", "fields": [{"name": "text", "type": "string"}]}'
TOPIC = "local.test"


def test_postgres_takes_passwords_only_and_listens_here_only(platform: Platform) -> None:
    platform.start("postgres")
    with psycopg.connect(platform.env["POSTGRES_ADMIN_URL"]) as connection:
        row = connection.execute(
            "select current_setting('listen_addresses'), current_setting('server_version')"
        ).fetchone()
    assert row is not None
    assert row[0] == "127.0.0.1"
    assert row[1].startswith("17.")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(platform.env["POSTGRES_ADMIN_URL"].replace(platform.env["POSTGRES_PASSWORD"], "guess"))


def test_postgres_keeps_committed_rows_through_a_kill(platform: Platform) -> None:
    platform.start("postgres")
    with psycopg.connect(platform.env["POSTGRES_ADMIN_URL"], autocommit=True) as connection:
        connection.execute("create table if not exists kept (n int)")
        connection.execute("insert into kept values (42)")
    kill_and_wait(platform, "postgres")
    with psycopg.connect(platform.env["POSTGRES_ADMIN_URL"], autocommit=True) as connection:
        assert connection.execute("select max(n) from kept").fetchone() == (42,)
        connection.execute("drop table kept")


def test_kafka_keeps_records_through_a_kill(platform: Platform) -> None:
    platform.start("kafka")
    servers = platform.env["KAFKA_BOOTSTRAP_SERVERS"]
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(10)
    producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
    producer.produce(TOPIC, b"kept")
    assert producer.flush(10) == 0
    kill_and_wait(platform, "kafka")
    assert read_one(servers, TOPIC) == b"kept"


def test_kafka_makes_no_topic_by_itself(platform: Platform) -> None:
    platform.start("kafka")
    client = AdminClient({"bootstrap.servers": platform.env["KAFKA_BOOTSTRAP_SERVERS"]})
    client.list_topics("nobody.made.this", timeout=10)
    assert "nobody.made.this" not in client.list_topics(timeout=10).topics


def test_the_registry_keeps_schemas_through_a_kill(platform: Platform) -> None:
    platform.start("registry")
    url = f"{platform.env['SCHEMA_REGISTRY_URL']}/subjects/{TOPIC}-value/versions"
    given = httpx.post(url, json={"schema": SCHEMA}, timeout=10).raise_for_status().json()["id"]
    kill_and_wait(platform, "registry")
    kept = httpx.get(f"{platform.env['SCHEMA_REGISTRY_URL']}/schemas/ids/{given}", timeout=10).raise_for_status().json()
    assert "Note" in kept["schema"]


def test_the_logs_are_where_the_errors_say(platform: Platform) -> None:
    platform.start("postgres")
    assert "ready to accept connections" in platform.log("postgres").read_text()


def test_no_password_is_in_a_log_or_readable_by_others(platform: Platform) -> None:
    platform.start("migrate")
    logs = "".join(log.read_text(errors="replace") for log in Path(platform.data, "logs").glob("*.log"))
    assert platform.env["POSTGRES_PASSWORD"] not in logs
    assert Path(platform.data, "secrets.env").stat().st_mode & 0o077 == 0


def kill_and_wait(platform: Platform, name: str) -> None:
    before = platform.restarts(name)
    platform.kill(name)
    deadline = time.monotonic() + 10
    while platform.restarts(name) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    platform.wait_until_ready(name, within=60)


def read_one(servers: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "local-test", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(30)
        assert message is not None
        return message.value()
    finally:
        consumer.close()
