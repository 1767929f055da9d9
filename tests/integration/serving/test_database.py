"""Bad days of the database: away, busy, slow, not built yet; and what the service may not do to it."""

import asyncio
import time

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from local.platform import Platform
from tests.integration.serving.conftest import EMPTY_DATABASE, Opener
from tests.integration.serving.proxy import Proxy

pytestmark = pytest.mark.anyio

KPIS = "/api/analytics/kpis"


async def until(client: httpx.AsyncClient, path: str, status: int, seconds: float) -> httpx.Response:
    deadline = time.monotonic() + seconds
    while (reply := await client.get(path)).status_code != status:
        assert time.monotonic() < deadline, f"{path} still answers {reply.status_code}: {reply.text}"
        await asyncio.sleep(0.1)
    return reply


async def test_it_starts_without_postgres_and_recovers_from_every_absence(
    open_app: Opener, platform: Platform, api_url: str
) -> None:
    real_port = platform.site.ports.postgres
    proxy = Proxy(real_port)
    await proxy.open()
    await proxy.shut()
    url = api_url.replace(f":{real_port}/", f":{proxy.port}/")
    async with open_app(url, pool_wait_seconds=0.5) as (client, _):
        for _ in range(2):
            reply = await until(client, KPIS, 503, 1)
            assert reply.json()["type"] == "urn:problem:postgres-away"
            assert reply.headers["retry-after"] == "5"
            await until(client, "/health/ready", 503, 3)
            await asyncio.sleep(3)
            await proxy.open()
            await until(client, KPIS, 200, 8)
            await until(client, "/health/ready", 200, 3)
            await proxy.shut()
    await proxy.shut()


async def test_with_every_connection_in_use_it_refuses_in_time_and_recovers(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    async with open_app(api_url, pool_size=2, pool_wait_seconds=0.3) as (client, _):
        await until(client, KPIS, 200, 5)
        with superuser.transaction():
            superuser.execute("lock table gold.v_top_decline_reasons in access exclusive mode")
            slow = [asyncio.create_task(client.get(f"/api/analytics/declines?limit={most}")) for most in (5, 6)]
            await asyncio.sleep(0.5)
            began = time.monotonic()
            reply = await client.get("/api/analytics/trends")
            assert time.monotonic() - began < 1
            assert (reply.status_code, reply.json()["type"]) == (503, "urn:problem:postgres-busy")
        assert [(await task).status_code for task in slow] == [200, 200]
        assert (await client.get(KPIS)).status_code == 200


async def test_a_query_that_takes_too_long_is_cancelled(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    async with open_app(api_url, statement_timeout_ms=200) as (client, _):
        with superuser.transaction():
            superuser.execute("lock table gold.v_top_decline_reasons in access exclusive mode")
            reply = await client.get("/api/analytics/declines")
        assert (reply.status_code, reply.json()["type"]) == (503, "urn:problem:postgres-busy")
        assert (await client.get("/api/analytics/declines")).status_code == 200


async def test_before_dbt_has_run_it_says_to_run_it(open_app: Opener, platform: Platform, databases: None) -> None:
    async with open_app(platform.site.database_url("api", EMPTY_DATABASE)) as (client, _):
        for path in ("kpis", "trends", "declines"):
            reply = await client.get(f"/api/analytics/{path}")
            assert (reply.status_code, reply.json()["type"]) == (503, "urn:problem:gold-views-not-built")
            assert "run dbt build" in reply.json()["detail"]


async def test_a_view_that_is_made_anew_with_other_columns_is_read_at_once(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    async with open_app(api_url) as (client, _):
        for _ in range(8):
            assert (await client.get(KPIS)).status_code == 200
        superuser.execute("alter table gold.v_executive_kpis add column extra text")
        try:
            assert (await client.get(KPIS)).status_code == 200
        finally:
            superuser.execute("alter table gold.v_executive_kpis drop column extra")


async def test_its_sessions_cannot_write(open_app: Opener, superuser: psycopg.Connection, api_url: str) -> None:
    async def write(app: FastAPI) -> None:
        async with app.state.pool.connection() as connection:
            await connection.execute("create temp table scratch (n int)")

    async with open_app(api_url) as (_, app):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await write(app)
