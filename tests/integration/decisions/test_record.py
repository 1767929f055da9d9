"""Every answer reaches Kafka and Postgres, and neither is waited for."""

import json
import uuid
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer

from local.platform import Platform
from serving.decisions.answers import Inference
from serving.decisions.endpoints import AUTH
from tests.integration.decisions.conftest import Api, until
from tests.integration.local.test_servers import kill_and_wait


@pytest.fixture
def rows(platform: Platform) -> Any:
    with psycopg.connect(platform.site.database_url("postgres", "payments"), autocommit=True) as connection:
        connection.execute("truncate ops.inferences")

        def asked(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query).fetchall()

        yield asked


def test_answers_are_in_the_table_as_they_were_given(api: Api, rows: Any) -> None:
    odd = "nul \0, quote ' and \u20ac"
    single = api.predict(country=odd)
    decided = api.client.post("/api/decisioning/auth", json={**AUTH.example, "issuer_country": "KP"}).json()
    until(lambda: len(rows("select 1 from ops.inferences")) == 4)
    ((score, decision, country, reasons),) = rows(
        "select score, decision, request ->> 'country', jsonb_array_length(reasons) from ops.inferences "
        f"where request_id = '{single['request_id']}'"
    )
    assert score == single["probability"]
    assert decision == single["decision"]
    assert country == odd.replace("\0", "\ufffd")
    assert reasons == len(single["reasons"])
    found = rows(
        "select distinct decision, policy_rules, transaction_id from ops.inferences "
        f"where request_id = '{decided['request_id']}'"
    )
    assert [(one[0], "blocked_country" in one[1], one[2]) for one in found] == [("decline", True, "t-5f0c")]


def test_answers_are_on_the_topic_with_the_same_fields(api: Api, platform: Platform) -> None:
    wanted = api.predict()["request_id"]
    settings = {
        "bootstrap.servers": platform.env["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": uuid.uuid4().hex,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(settings)
    consumer.subscribe(["ml.inferences"])
    found: dict[str, Any] = {}

    def has_come() -> bool:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            row = json.loads(message.value())
            found[row["request_id"]] = (message.key().decode(), row)
        return wanted in found

    until(has_come)
    consumer.close()
    key, row = found[wanted]
    assert key == wanted
    assert set(row) == set(Inference.__struct_fields__)


def test_postgres_away_does_not_hold_up_answers_and_gets_them_afterwards(
    api: Api, platform: Platform, rows: Any
) -> None:
    with psycopg.connect(platform.site.database_url("postgres", "payments"), autocommit=True) as connection:
        connection.execute("revoke connect on database payments from payments_api")
    try:
        kill_and_wait(platform, "postgres")
        answered = [api.predict()["request_id"] for _ in range(20)]
    finally:
        with psycopg.connect(platform.site.database_url("postgres", "payments"), autocommit=True) as connection:
            connection.execute("grant connect on database payments to payments_api")

            def are_there() -> bool:
                query = "select count(*) from ops.inferences where request_id = any(%s::uuid[])"
                row = connection.execute(query, [answered]).fetchone()
                return row == (20,)

            until(are_there)


def test_without_kafka_and_postgres_answers_come_all_the_same(api: Api) -> None:
    api.kill()
    api.env |= {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "DATABASE_URL": "postgresql://payments_api@127.0.0.1:9/none"}
    api.start()
    for _ in range(20):
        assert api.predict()["version"] == 1
    waiting = api.client.get("/metrics").text
    assert 'api_inference_log_waiting{sink="postgres"}' in waiting
    api.stop()
