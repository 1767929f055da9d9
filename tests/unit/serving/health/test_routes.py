"""Live, ready and the whole, over the real probes and a fake store."""

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from serving.analytics.errors import StoreUnavailable
from serving.app import create_app
from serving.settings import ApiSettings
from tests.unit.serving.fakes import NOW, FakeAnalytics, kpi

pytestmark = pytest.mark.anyio


async def test_live_answers_whatever_is_away(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.failure = StoreUnavailable("away")
    assert (await client.get("/health/live")).json() == {"status": "up"}


async def test_ready_while_postgres_answers(client: httpx.AsyncClient) -> None:
    reply = await client.get("/health/ready")
    assert (reply.status_code, list(reply.json()["dependencies"])) == (200, ["postgres"])


async def test_unready_while_postgres_is_away(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.failure = StoreUnavailable("Postgres does not accept connections.")
    for path in ("/health/ready", "/health"):
        reply = await client.get(path)
        assert (reply.status_code, reply.json()["status"]) == (503, "down")
        assert reply.headers["retry-after"]


async def test_every_dependency_is_named(app: FastAPI, client: httpx.AsyncClient) -> None:
    await app.state.feed.tick()
    found = (await client.get("/health")).json()["dependencies"]
    assert {name: one["status"] for name, one in found.items()} == {
        "postgres": "up",
        "kafka": "unchecked",
        "schema_registry": "unchecked",
        "stream": "up",
        "models": "unchecked",
    }


async def test_kafka_and_registry_away_degrade_without_making_unready(analytics: FakeAnalytics) -> None:
    settings = ApiSettings(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        SCHEMA_REGISTRY_URL="http://127.0.0.1:1",
    )
    app = create_app(settings, analytics=analytics, clock=lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        reply = await client.get("/health")
    found = reply.json()["dependencies"]
    assert (reply.status_code, reply.json()["status"]) == (200, "degraded")
    assert (found["kafka"]["status"], found["schema_registry"]["status"]) == ("down", "down")
    assert found["kafka"]["latency_ms"] < 2500


async def test_an_old_batch_degrades_the_stream(
    app: FastAPI, client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    old = NOW - timedelta(seconds=31)
    analytics.windows = {window: kpi(window, data_through=old) for window in analytics.windows}
    await app.state.feed.tick()
    found = (await client.get("/health")).json()["dependencies"]["stream"]
    assert (found["status"], found["detail"]) == ("degraded", "last batch committed 31.0 s ago")
