"""Keys from the command line to the request, and the record of it, on a real Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import Result
from fastapi import FastAPI
from typer.testing import CliRunner

from serving.__main__ import commands
from serving.app import create_app
from serving.settings import ApiSettings
from spark_jobs.maintenance import retention
from tests.integration.access.conftest import Site

pytestmark = pytest.mark.anyio

AUDIT = "/api/audit"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def admin(site: Site) -> Iterator[psycopg.Connection]:
    with site.connect("postgres") as connection:
        yield connection


@pytest.fixture
async def app(site: Site) -> AsyncIterator[FastAPI]:
    settings = {"DATABASE_URL": site.url("api"), "kpi_poll_seconds": 60, "key_cache_seconds": 0.2}
    made = create_app(ApiSettings.model_validate(settings))
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as it:
        yield it


def run(site: Site, *arguments: str, role: str = "access") -> Result:
    env = {"DATABASE_URL": site.url(role) if role else ""}
    return CliRunner().invoke(commands, ["keys", *arguments], env=env)


def create(site: Site, *arguments: str) -> str:
    made = run(site, "create", *arguments)
    assert made.exit_code == 0, made.stderr
    return made.stdout.strip()


async def entries(app: FastAPI, client: httpx.AsyncClient, secret: str, **parameters: Any) -> list[dict[str, Any]]:
    """The audit, once everything asked so far is in it."""
    async with asyncio.timeout(5):
        while not app.state.audit_log.waiting.empty() or app.state.audit_log._batch:
            await asyncio.sleep(0.02)
    reply = await client.get(AUDIT, params=parameters, headers={"X-API-Key": secret})
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["entries"]
    return found


async def test_a_key_works_from_its_making_to_its_end(
    site: Site, app: FastAPI, client: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    secret = create(site, "audits", "--scope", "audit:read", "--days", "2")
    assert admin.execute(
        "select count(*) from ops.api_keys where strpos(api_keys::text, %s) > 0", [secret]
    ).fetchone() == (0,)
    await client.get("/api/analytics/alerts?kind=anomaly")
    await client.get("/api/analytics/alerts?kimd=x", headers={"Authorization": "Bearer pk_nothing"})
    found = await entries(app, client, secret, limit=2)
    assert [(one["route"], one["status"], one["key_id"]) for one in found] == [
        ("/api/analytics/alerts", 401, None),
        ("/api/analytics/alerts", 503, None),
    ]
    assert found[1]["parameters"] == {"kind": ["anomaly"]}
    again = await entries(app, client, secret, route=AUDIT, status=200)
    assert [(one["key_name"], one["rows"]) for one in again] == [("audits", 2)]
    listed = run(site, "list").stdout
    assert secret[:11] in listed
    assert secret not in listed
    key_id = again[0]["key_id"]
    used = admin.execute("select last_used_at from ops.api_keys where key_id = %s", [key_id]).fetchone()
    assert used is not None
    assert datetime.now(UTC) - used[0] < timedelta(minutes=1)
    revoked = run(site, "revoke", str(key_id))
    assert (revoked.exit_code, "is revoked since" in revoked.stdout) == (0, True)
    time.sleep(0.3)
    refused = await client.get(AUDIT, headers={"X-API-Key": secret})
    assert (refused.status_code, refused.json()["detail"]) == (401, "The key was revoked.")
    assert secret[:11] not in run(site, "list").stdout
    assert "REVOKED" in run(site, "list", "--all").stdout


async def test_an_expired_key_is_refused(site: Site, client: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    secret = create(site, "short")
    admin.execute("update ops.api_keys set expires_at = now() - interval '1 second' where name = 'short'")
    refused = await client.get("/api/analytics/kpis", headers={"X-API-Key": secret})
    assert (refused.status_code, refused.json()["detail"]) == (401, "The key has expired.")


async def test_the_audit_is_paged_without_gap_or_double(site: Site, app: FastAPI, client: httpx.AsyncClient) -> None:
    secret = create(site, "pages", "--scope", "audit:read", "--scope", "analytics:read")
    for number in range(7):
        await client.get(f"/api/page-{number}", headers={"X-API-Key": secret})
    key_id = (await entries(app, client, secret, limit=1))[0]["key_id"]
    seen, before = [], {}
    while True:
        reply = await client.get(
            AUDIT, params={"limit": 2, "key_id": key_id, "status": 404, **before}, headers={"X-API-Key": secret}
        )
        seen += [one["route"] for one in reply.json()["entries"]]
        if reply.json()["next_before"] is None:
            break
        before = {"before": reply.json()["next_before"]}
    assert seen == [f"/api/page-{number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "status=99", "route=x", "key_id=-1", "before=9223372036854775808", "qqq=1"]
)
async def test_mistakes_about_the_audit_are_told(site: Site, client: httpx.AsyncClient, query: str) -> None:
    secret = create(site, "mistakes", "--scope", "audit:read") if query == "limit=0" else _kept[0]
    _kept[:] = [secret]
    assert (await client.get(f"{AUDIT}?{query}", headers={"X-API-Key": secret})).status_code == 422


_kept: list[str] = []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", " "], "expected a name"),
        (["create", "x", "--merchant", "m-1", "--scope", "audit:read"], "analytics:read alone"),
        (["create", "x", "--scope", "everything"], "analytics:read"),
        (["create", "x", "--days", "0"], "days"),
        (["revoke", "999999"], "there is no key 999999"),
        (["revoke", "first"], "key_id"),
    ],
)
def test_mistakes_at_the_command_line_are_told(site: Site, arguments: list[str], said: str) -> None:
    result = run(site, *arguments)
    assert result.exit_code != 0
    assert said in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_role_that_may_not_keep_keys_is_told_which_may(site: Site) -> None:
    for role in ("api", "dbt", "stream", "analyst"):
        result = run(site, "create", "x", role=role)
        assert (result.exit_code, result.stdout) == (1, ""), role
        assert "payments_access" in result.stderr
    assert "set DATABASE_URL" in run(site, "list", role="").stderr


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("api", "insert into ops.api_keys (name, key_hash, prefix, scopes) values ('x', sha256('x'), 'x', '{x}')"),
        ("api", "update ops.api_keys set scopes = '{audit:read}'"),
        ("api", "delete from ops.query_audit"),
        ("api", "update ops.query_audit set status = 200"),
        ("api", "select * from ops.analyst_merchants"),
        ("stream", "select * from ops.api_keys"),
        ("stream", "select parameters from ops.query_audit"),
        ("stream", "insert into ops.analyst_merchants values ('payments_analyst', 'm-1')"),
        ("dbt", "select * from ops.api_keys"),
        ("dbt", "select * from ops.pseudonym_secret"),
        ("access", "select * from ops.query_audit"),
        ("access", "select * from live.payments"),
        ("access", "delete from ops.api_keys"),
        ("analyst", "select * from ops.api_keys"),
    ],
)
def test_a_role_cannot_do_what_is_not_its_work(site: Site, role: str, statement: str) -> None:
    with site.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_maintenance_ends_the_record_after_90_days(site: Site, admin: psycopg.Connection) -> None:
    admin.execute("truncate ops.query_audit")
    admin.execute(
        "insert into ops.query_audit (at, route, parameters, status, duration_ms, request_id)"
        " select now() - days * interval '1 day', 'x', '{}', 200, 1, days::text from generate_series(0, 200) as days"
    )
    first = datetime.now(UTC).date() - timedelta(days=90)
    with site.connect("stream") as stream:
        retention._delete_audit(stream, first)
    row = admin.execute("select count(*), min(at) >= %s from ops.query_audit", [first]).fetchone()
    assert row == (91, True)
