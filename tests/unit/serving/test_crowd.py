"""More at once than can be answered are refused at once, and told when to come back."""

import asyncio

import httpx
import pytest

from serving.analytics.models import Kpi, Window
from serving.app import create_app
from serving.crowd import LIVE_STREAM
from serving.settings import ApiSettings
from tests.unit.serving.fakes import FakeAnalytics, LiveRequest

pytestmark = pytest.mark.anyio


class SlowAnalytics(FakeAnalytics):
    """Answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.readings = 0

    async def kpi(self, window: Window) -> Kpi | None:
        self.readings += 1
        await self.may_answer.wait()
        return await super().kpi(window)


def small_settings() -> ApiSettings:
    url = "postgresql://nobody@127.0.0.1:1/none"
    return ApiSettings.model_validate({"DATABASE_URL": url, "requests_at_once": 3})


@pytest.fixture
def slow() -> SlowAnalytics:
    return SlowAnalytics()


@pytest.fixture
def crowded(slow: SlowAnalytics) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(small_settings(), slow), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://t")


async def test_too_many_at_once_are_told_to_come_back(crowded: httpx.AsyncClient, slow: SlowAnalytics) -> None:
    async with crowded:
        asked = [asyncio.create_task(crowded.get("/api/analytics/kpis")) for _ in range(3)]
        await asyncio.sleep(0.05)
        refused = await crowded.get("/api/analytics/trends")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:problem:too-many-requests"
        assert (await crowded.get("/health/live")).status_code == 200
        slow.may_answer.set()
        assert [reply.status_code for reply in await asyncio.gather(*asked)] == [200, 200, 200]
        assert slow.readings == 1
        assert (await crowded.get("/api/analytics/kpis")).status_code == 200


async def test_who_gives_up_makes_room(crowded: httpx.AsyncClient, slow: SlowAnalytics) -> None:
    async with crowded:
        asked = [asyncio.create_task(crowded.get("/api/analytics/kpis")) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert (await crowded.get("/api/analytics/declines")).status_code == 200


async def test_live_streams_take_nobodys_place() -> None:
    app = create_app(small_settings(), FakeAnalytics())
    streams = [LiveRequest(app, LIVE_STREAM) for _ in range(5)]
    for stream in streams:
        await stream.until(lambda body: "event: history" in body)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        assert (await client.get("/api/analytics/kpis")).status_code == 200
    for stream in streams:
        await stream.hang_up()


async def test_the_live_stream_is_where_the_limit_expects_it(crowded: httpx.AsyncClient) -> None:
    async with crowded:
        assert LIVE_STREAM in (await crowded.get("/openapi.json")).json()["paths"]
