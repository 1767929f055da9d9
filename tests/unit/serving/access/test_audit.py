"""The record of requests: complete, clean, and never in the way."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from serving.access import audit as audit_module
from serving.access.audit import AuditLog
from serving.access.store import Asked
from tests.unit.serving.fakes import NOW, FakeAnalytics, FakeKeys, FakeWriter

pytestmark = pytest.mark.anyio


def asked(number: int = 0) -> Asked:
    return Asked(NOW, None, "/api/x", {}, 200, None, 1.0, str(number))


async def recorded(app: FastAPI, writer: FakeWriter) -> list[Asked]:
    """What the audit holds once it has written everything."""
    log: AuditLog = app.state.audit_log
    async with asyncio.timeout(3):
        while not log.waiting.empty() or len(writer.kept) > log.written:
            await asyncio.sleep(0.005)
    return writer.kept


async def test_a_request_is_recorded_with_its_key_rows_and_number(
    app: FastAPI, client: httpx.AsyncClient, keys: FakeKeys, audit_writer: FakeWriter
) -> None:
    secret = keys.issue()
    headers = {"X-API-Key": secret, "X-Request-ID": "my-1"}
    reply = await client.get("/api/analytics/solutions?processor=A&processor=B&limit=2", headers=headers)
    [entry] = await recorded(app, audit_writer)
    assert reply.headers["x-request-id"] == entry.request_id == "my-1"
    assert (entry.key_id, entry.route, entry.status, entry.rows) == (1, "/api/analytics/solutions", 200, 2)
    assert entry.parameters == {"processor": ["A", "B"], "limit": ["2"]}
    assert entry.ms > 0
    assert secret not in repr(entry)


async def test_refusals_and_failures_are_recorded_too(
    app: FastAPI, client: httpx.AsyncClient, analytics: FakeAnalytics, audit_writer: FakeWriter
) -> None:
    await client.get("/api/analytics/kpis", headers={"X-API-Key": "pk_wrong"})
    await client.get("/api/analytics/kpis?windw=1")
    analytics.failure = RuntimeError("boom")
    await client.get("/api/analytics/kpis")
    assert [entry.status for entry in await recorded(app, audit_writer)] == [401, 422, 500]


async def test_pages_and_probes_are_not_recorded_but_numbered(app: FastAPI, client: httpx.AsyncClient) -> None:
    for path in ("/", "/health/live", "/metrics"):
        assert len((await client.get(path)).headers["x-request-id"]) == 32
    assert app.state.audit_log.waiting.empty()


async def test_what_is_recorded_is_fit_for_postgres_and_holds_no_key(
    app: FastAPI, client: httpx.AsyncClient, keys: FakeKeys, audit_writer: FakeWriter
) -> None:
    secret = keys.issue()
    await client.get(f"/api/analytics/kpis?a=%00%ff&b={'x' * 5000}&api_key={secret}&%00=1")
    await client.get("/api/analytics/kpis?" + "&".join(f"p{number}=1" for number in range(200)))
    await client.get("/api/%00/x", headers={"X-Request-ID": "bad id\t"})
    first, second, third = await recorded(app, audit_writer)
    assert first.parameters["a"] == ["\ufffd\ufffd"]
    assert first.parameters["\ufffd"] == ["1"]
    assert third.route == "/api/\ufffd/x"
    assert len(first.parameters["b"][0]) == 200
    assert first.parameters["api_key"] == [secret[:11] + "…"]
    assert len(second.parameters) == 40
    assert third.request_id != "bad id\t"


async def test_what_does_not_fit_is_counted_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "MOST_WAITING", 3)
    log = AuditLog(FakeWriter())
    for number in range(5):
        log.add(asked(number))
    assert (log.waiting.qsize(), log.dropped) == (3, 2)


async def test_while_postgres_is_away_requests_wait_and_none_is_written_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(audit_module, "PAUSE_SECONDS", 0.001)
    writer = FakeWriter(failures=[psycopg.OperationalError("away")] * 3)
    log = AuditLog(writer)
    log.start()
    for number in range(10):
        log.add(asked(number))
    async with asyncio.timeout(3):
        while log.written < 10:
            await asyncio.sleep(0.002)
    await log.close()
    assert [entry.request_id for entry in writer.kept] == [str(number) for number in range(10)]
    assert log.dropped == 0


async def test_a_batch_that_postgres_refuses_does_not_hold_up_the_next() -> None:
    writer = FakeWriter(failures=[psycopg.DataError("no")])
    log = AuditLog(writer)
    log.add(asked(1))
    await log.close()
    log.add(asked(2))
    await log.close()
    assert (log.dropped, log.written) == (1, 1)


async def test_at_the_end_what_waits_is_written() -> None:
    writer = FakeWriter()
    log = AuditLog(writer)
    log.start()
    for number in range(2_500):
        log.add(asked(number))
    await log.close()
    assert len(writer.kept) == 2_500


@dataclass
class StuckWriter:
    """Never finishes a write."""

    closed: bool = False
    begun: list[int] = field(default_factory=list)

    async def write(self, asked: Sequence[Asked]) -> None:
        self.begun.append(len(asked))
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True


async def test_the_end_does_not_wait_for_a_stuck_database(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit_module, "LAST_SECONDS", 0.05)
    writer = StuckWriter()
    log = AuditLog(writer)
    log.start()
    log.add(asked())
    async with asyncio.timeout(2):
        await log.close()
    assert writer.closed
    assert "1 requests did not reach the audit" in caplog.text


async def test_the_audit_is_counted_in_the_metrics(client: httpx.AsyncClient, app: FastAPI) -> None:
    app.state.audit_log.dropped = 4
    text = (await client.get("/metrics")).text
    assert "api_audit_dropped_total 4.0" in text
    assert "api_audit_waiting" in text
