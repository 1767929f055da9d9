"""The reports of the API over the real views: whatever they are cut by, the same payments, also once dbt has run."""

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from serving.analytics.reports.catalogue import DECLINES, REPORTS
from serving.analytics.reports.declaration import Report
from serving.app import create_app
from serving.settings import ApiSettings
from tests.integration.gold.conftest import Warehouse
from tests.integration.gold.simulated import events, strange, write

pytestmark = pytest.mark.anyio

FIRST = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(empty_warehouse: Warehouse) -> AsyncIterator[httpx.AsyncClient]:
    payments, checkouts = events(7, 1500, FIRST, 0.09)
    with empty_warehouse.connect("stream") as connection:
        write(connection, payments + strange(payments), checkouts)
    settings = {"DATABASE_URL": empty_warehouse.url("api"), "kpi_poll_seconds": 60, "answers_kept_seconds": 0}
    app = create_app(ApiSettings.model_validate(settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as it:
        yield it


async def total(client: httpx.AsyncClient, report: Report, keys: tuple[str, ...]) -> int:
    """The report's main count over all pages."""
    found, cursor = 0, {}
    while cursor is not None:
        asked: dict[str, Any] = {"start": FIRST.isoformat(), "limit": 1000, "group_by": ",".join(keys), **cursor}
        reply = await client.get(f"/api/analytics/{report.name}", params=asked)
        assert reply.status_code == 200, (report.name, keys, reply.text)
        found += sum(row[report.measures[0].name] for row in reply.json()["rows"])
        cursor = {"cursor": reply.json()["next_cursor"]} if reply.json()["next_cursor"] else None
    return found


async def test_every_grouping_of_every_report_counts_the_same_payments(
    client: httpx.AsyncClient, empty_warehouse: Warehouse
) -> None:
    kpi = (await client.get("/api/analytics/kpis?window=last_24_hours")).json()
    counted = {"attempts": kpi["attempts"], "declines": kpi["declined"]}
    counted["retries"] = kpi["attempts"] - kpi["first_attempts"]
    for has_dbt_run in (False, True):
        if has_dbt_run:
            empty_warehouse.dbt("run", "--select", "tag:batch_layer")
        for report in (*REPORTS, DECLINES):
            for size in (1, 2, len(report.dimension_names)):
                for keys in itertools.combinations(report.keys, size):
                    assert await total(client, report, keys) == counted[report.measures[0].name], (report.name, keys)
