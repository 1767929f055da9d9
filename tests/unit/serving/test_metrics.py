"""What Prometheus sees."""

import httpx
import pytest
from fastapi import FastAPI

from serving.analytics.errors import StoreUnavailable
from tests.unit.serving.fakes import FakeAnalytics

pytestmark = pytest.mark.anyio


async def scrape(client: httpx.AsyncClient) -> dict[str, float]:
    lines = (await client.get("/metrics")).text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


async def test_requests_are_counted_by_route_and_status(client: httpx.AsyncClient) -> None:
    await client.get("/api/analytics/kpis?window=last_hour")
    await client.get("/api/analytics/kpis?window=never")
    samples = await scrape(client)
    for status in ("200", "422"):
        labels = f'{{method="GET",route="/api/analytics/kpis",status="{status}"}}'
        assert samples[f"api_requests_total{labels}"] == 1
        assert samples[f"api_request_duration_seconds_count{labels}"] == 1


async def test_made_up_paths_and_methods_share_one_series(client: httpx.AsyncClient) -> None:
    for path in ("/a", "/b", "/c"):
        await client.request("BREW", path)
    samples = await scrape(client)
    assert samples['api_requests_total{method="other",route="unmatched",status="404"}'] == 3


async def test_unexpected_errors_count_as_500(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.failure = RuntimeError("a bug")
    await client.get("/api/analytics/kpis")
    samples = await scrape(client)
    assert samples['api_requests_total{method="GET",route="/api/analytics/kpis",status="500"}'] == 1


async def test_the_age_of_the_data_is_known_or_not_a_number(
    app: FastAPI, client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    await app.state.feed.tick()
    assert (await scrape(client))["api_data_age_seconds"] == 1
    analytics.failure = StoreUnavailable("away")
    await app.state.feed.tick()
    age = (await scrape(client))["api_data_age_seconds"]
    assert age != age
