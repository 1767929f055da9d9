"""Readers who ask the same within a second over the same batch get one answer, compressed once."""

import gzip
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.unit.serving.fakes import NOW, FakeAnalytics, point

pytestmark = pytest.mark.anyio

ENDPOINTS = {"kpis": "kpi", "trends": "trends", "declines": "declines", "alerts": "alerts", "solutions": "report"}
"""What each of them asks of the store."""


@pytest.fixture
def readings(analytics: FakeAnalytics, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store was asked for what."""
    counts: Counter[str] = Counter()

    def counting(name: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*arguments: Any) -> Any:
            counts[name] += 1
            return await ask(*arguments)

        return asked

    for name in set(ENDPOINTS.values()):
        monkeypatch.setattr(analytics, name, counting(name, getattr(analytics, name)))
    return counts


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_same_question_is_answered_once_for_a_batch_and_a_run_of_dbt(
    client: httpx.AsyncClient, analytics: FakeAnalytics, readings: Counter[str], endpoint: str
) -> None:
    first = await client.get(f"/api/analytics/{endpoint}")
    again = await client.get(f"/api/analytics/{endpoint}")
    assert first.status_code == 200
    assert first.content == again.content
    assert readings[ENDPOINTS[endpoint]] == 1
    for number, what in enumerate(("batch", "batch_layer_writes"), start=2):
        setattr(analytics, what, getattr(analytics, what) + 1)
        await client.get(f"/api/analytics/{endpoint}")
        assert readings[ENDPOINTS[endpoint]] == number


@pytest.mark.parametrize("endpoint", ["kpis", "trends", "declines", "alerts"])
async def test_a_window_that_ends_now_is_read_again_a_second_later(
    app: FastAPI, client: httpx.AsyncClient, readings: Counter[str], endpoint: str
) -> None:
    await client.get(f"/api/analytics/{endpoint}")
    app.state.clock = lambda: NOW + timedelta(seconds=1)
    await client.get(f"/api/analytics/{endpoint}")
    assert readings[ENDPOINTS[endpoint]] == 2


async def test_other_parameters_are_another_question(client: httpx.AsyncClient, readings: Counter[str]) -> None:
    for query in (
        "kpis",
        "kpis?window=last_hour",
        "declines?limit=3",
        "declines",
        "alerts?limit=7",
        "alerts?kind=stale",
    ):
        assert (await client.get(f"/api/analytics/{query}")).status_code == 200
    assert readings == {"kpi": 2, "declines": 2, "alerts": 2}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_long_answer_is_compressed_for_who_takes_that(
    client: httpx.AsyncClient, analytics: FakeAnalytics, encoding: str
) -> None:
    analytics.points = [point(datetime(2026, 3, 1, hour, tzinfo=UTC)) for hour in range(20)]
    async with client.stream("GET", "/api/analytics/trends", headers={"Accept-Encoding": encoding}) as reply:
        raw = b"".join([part async for part in reply.aiter_raw()])
    assert reply.headers.get("content-encoding", "identity") == encoding
    assert "Accept-Encoding" in reply.headers["vary"]
    assert int(reply.headers["content-length"]) == len(raw)
    body = gzip.decompress(raw) if encoding == "gzip" else raw
    assert body.count(b'"hour"') == 20
