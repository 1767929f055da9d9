"""The analytics endpoints over a fake store."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any, Never

import anyio.to_thread
import httpx
import pytest
from fastapi import FastAPI

from serving.analytics.errors import StoreBusy, StoreUnavailable, ViewsNotBuilt
from serving.analytics.models import Window
from serving.analytics.reports.catalogue import REPORTS
from tests.unit.serving.fakes import NOW, FakeAnalytics, LiveRequest, kpi, point, reason

pytestmark = pytest.mark.anyio

HOUR = NOW.replace(minute=0, second=0)


async def test_kpis_default_to_the_last_24_hours(client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/analytics/kpis")).json()
    assert (body["kpi_window"], body["attempts"], body["approval_rate"]) == ("last_24_hours", 1000, 0.9)


async def test_money_is_a_json_number_in_cents(client: httpx.AsyncClient) -> None:
    text = (await client.get("/api/analytics/kpis")).text
    assert '"declined_amount_usd":6123.01' in text


async def test_a_rate_without_attempts_is_null(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.windows[Window.LAST_HOUR] = kpi(Window.LAST_HOUR, attempts=0, approval_rate=None)
    assert (await client.get("/api/analytics/kpis?window=last_hour")).json()["approval_rate"] is None


async def test_a_missing_window_says_to_build_the_views(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.windows.clear()
    reply = await client.get("/api/analytics/kpis")
    assert reply.status_code == 503
    assert "dbt build" in reply.json()["detail"]


@pytest.mark.parametrize("path", ["kpis", "trends", "declines"])
async def test_every_reply_says_how_far_its_data_reach(client: httpx.AsyncClient, path: str) -> None:
    body = (await client.get(f"/api/analytics/{path}")).json()
    assert body["data_through"] == "2026-03-02T12:00:29Z"
    assert body["newest_event_at"] == "2026-03-02T12:00:28Z"


async def test_pages_of_trends_join_without_gap_or_double(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    keys = [(HOUR + timedelta(hours=h), segment) for h in range(4) for segment in ("Gaming", "Retail", "Travel")]
    analytics.points = [point(hour, segment) for hour, segment in keys]
    seen: list[str] = []
    cursor = ""
    while True:
        reply = await client.get(f"/api/analytics/trends?group_by=segment&limit=5{cursor}")
        seen += [p["hour"] + p["merchant_segment"] for p in reply.json()["points"]]
        if reply.json()["next_cursor"] is None:
            break
        cursor = f"&cursor={reply.json()['next_cursor']}"
    assert seen == [f"{hour:%Y-%m-%dT%H:%M:%SZ}{segment}" for hour, segment in keys]


async def test_a_page_that_just_fits_is_the_last(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.points = [point(HOUR + timedelta(hours=h)) for h in range(5)]
    assert (await client.get("/api/analytics/trends?limit=5")).json()["next_cursor"] is None


async def test_trends_reply_names_the_range_it_covers(client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/analytics/trends?from=2026-03-01&to=2026-03-02")).json()
    assert (body["from"], body["to"]) == ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")


async def test_declines_are_cut_at_the_limit(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.reasons = [reason(rank) for rank in range(1, 8)]
    body = (await client.get("/api/analytics/declines?limit=3")).json()
    assert [r["rank"] for r in body["reasons"]] == [1, 2, 3]
    assert body["reasons"][0]["recoverable_amount_usd"] == float(Decimal("832.73"))


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), StoreBusy("busy"), ViewsNotBuilt("run dbt build")])
@pytest.mark.parametrize("path", ["kpis", "trends", "declines"])
async def test_an_unreadable_store_is_503_with_retry_after(
    client: httpx.AsyncClient, analytics: FakeAnalytics, failure: StoreUnavailable, path: str
) -> None:
    analytics.failure = failure
    reply = await client.get(f"/api/analytics/{path}")
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == str(failure.retry_after)
    assert reply.json()["type"] == f"urn:problem:{failure.slug}"


def events(body: str) -> list[tuple[str, object]]:
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line) for block in body.split("\n\n")]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


async def test_the_stream_opens_with_history_and_tells_each_reading(app: FastAPI, client: httpx.AsyncClient) -> None:
    live = LiveRequest(app, "/api/analytics/kpis/stream?window=last_hour")
    await live.until(lambda body: body.count("event: kpi") == 1)
    await app.state.feed.tick()
    await live.until(lambda body: body.count("event: kpi") == 2)
    names = [name for name, _ in events(live.body)]
    assert names == ["history", "kpi", "kpi"]
    payload = events(live.body)[1][1]
    assert payload["kpi"]["kpi_window"] == "last_hour"  # type: ignore[index]
    assert payload["pulse"]["attempts"] == 1000  # type: ignore[index]
    await live.hang_up()


async def test_the_stream_says_when_figures_cannot_be_read(
    app: FastAPI, client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    live = LiveRequest(app, "/api/analytics/kpis/stream")
    await live.until(lambda body: "event: kpi" in body)
    analytics.failure = StoreUnavailable("away")
    await app.state.feed.tick()
    assert "Postgres is away" in await live.until(lambda body: "event: unavailable" in body)
    await live.hang_up()


async def test_a_listener_that_hangs_up_is_forgotten(app: FastAPI, client: httpx.AsyncClient) -> None:
    live = LiveRequest(app, "/api/analytics/kpis/stream")
    await live.until(lambda body: "event: kpi" in body)
    assert app.state.feed.listeners == 1
    await live.hang_up()
    assert app.state.feed.listeners == 0


async def test_shutting_down_ends_open_streams(app: FastAPI, client: httpx.AsyncClient) -> None:
    live = LiveRequest(app, "/api/analytics/kpis/stream")
    await live.until(lambda body: "event: kpi" in body)
    await app.state.feed.close()
    await asyncio.wait_for(live.task, 2)
    assert live.messages[-1]["more_body"] is False


async def test_the_stream_refuses_an_unknown_window_before_it_opens(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/analytics/kpis/stream?window=never")).status_code == 422


async def test_no_figure_goes_through_another_thread(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> Never:
        raise AssertionError("a dependency is no coroutine function, so FastAPI takes it to a thread")

    monkeypatch.setattr(anyio.to_thread, "run_sync", refuse)
    names = ["kpis", "trends", "alerts", "declines", "declines?start=2026-03-01", *(report.name for report in REPORTS)]
    for path in (*(f"/api/analytics/{name}" for name in names), "/health/live"):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/api/experiments")).status_code == 503
