"""A crowd that asks the same costs one answer, of which everybody's record and nobody's rights are shared."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serving.analytics.errors import StoreBusy
from serving.analytics.reports.sharing import SharedCall
from serving.app import create_app
from serving.settings import ApiSettings
from tests.unit.serving.conftest import Stopwatch
from tests.unit.serving.fakes import NOW, FakeAnalytics, FakeKeys, FakeWriter

pytestmark = pytest.mark.anyio

SOLUTIONS = "/api/analytics/solutions"
MERCHANTS = "/api/analytics/merchants"
KEPT_SECONDS = 2.0


@pytest.fixture
def app(
    settings: ApiSettings, analytics: FakeAnalytics, keys: FakeKeys, audit_writer: FakeWriter, stopwatch: Stopwatch
) -> FastAPI:
    kept = settings.model_copy(update={"answers_kept_seconds": KEPT_SECONDS})
    return create_app(kept, analytics=analytics, clock=lambda: NOW, keys=keys, audit_writer=audit_writer)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_the_same_bytes_for_a_moment_and_new_figures_after_it(
    client: httpx.AsyncClient, analytics: FakeAnalytics, stopwatch: Stopwatch
) -> None:
    first = await client.get(SOLUTIONS)
    analytics.batch += 1
    again = await client.get(SOLUTIONS)
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert len(again.headers.get_list("x-request-id")) == 1
    stopwatch.seconds = KEPT_SECONDS
    assert (await client.get(SOLUTIONS)).headers["etag"] != first.headers["etag"]
    assert len(analytics.reports) == 2


async def test_each_reader_is_in_the_audit_and_the_metrics(
    app: FastAPI, client: httpx.AsyncClient, keys: FakeKeys, audit_writer: FakeWriter
) -> None:
    secret = keys.issue()
    for headers in ({}, bearer(secret)):
        await client.get(f"{SOLUTIONS}?limit=2", headers=headers)
    await app.state.audit_log.close()
    assert [(one.route, one.rows, one.key_id) for one in audit_writer.kept] == [(SOLUTIONS, 2, None), (SOLUTIONS, 2, 1)]
    counted = app.state.metrics.registry.get_sample_value(
        "api_requests_total", {"method": "GET", "route": SOLUTIONS, "status": "200"}
    )
    assert counted == 2


async def test_what_one_may_see_is_not_given_to_another(client: httpx.AsyncClient, keys: FakeKeys) -> None:
    whole = await client.get(MERCHANTS)
    one, other = (bearer(keys.issue(merchants=[name])) for name in ("m-1", "m-2"))
    tags = {(await client.get(MERCHANTS, headers=headers)).headers["etag"] for headers in (one, other)}
    assert len(tags | {whole.headers["etag"]}) == 3
    assert (await client.get(SOLUTIONS)).status_code == 200
    assert (await client.get(SOLUTIONS, headers=one)).status_code == 403
    assert (await client.get(SOLUTIONS, headers=bearer(keys.issue(["audit:read"])))).status_code == 403
    assert (await client.get(SOLUTIONS, headers=bearer("pk_unknown"))).status_code == 401


async def test_other_words_other_encodings_and_other_methods_have_their_own_answer(client: httpx.AsyncClient) -> None:
    plain = await client.get(f"{SOLUTIONS}?limit=1", headers={"Accept-Encoding": "identity"})
    assert len(plain.json()["rows"]) == 1
    assert len((await client.get(f"{SOLUTIONS}?limit=2")).json()["rows"]) == 2
    assert (await client.post(f"{SOLUTIONS}?limit=1")).status_code == 405
    for encoding in ("gzip", "identity", "gzip"):
        reply = await client.get("/api/analytics/trends", headers={"Accept-Encoding": encoding})
        assert reply.json()["points"] == []


async def test_who_holds_the_answer_is_told_so_from_the_shelf(
    client: httpx.AsyncClient, analytics: FakeAnalytics, stopwatch: Stopwatch
) -> None:
    first = await client.get(SOLUTIONS)
    held = await client.get(SOLUTIONS, headers={"If-None-Match": first.headers["etag"]})
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", first.headers["etag"])
    assert held.headers["vary"] == first.headers["vary"]
    assert "content-type" not in held.headers
    analytics.batch += 1
    stopwatch.seconds = KEPT_SECONDS
    renewed = await client.get(SOLUTIONS, headers={"If-None-Match": first.headers["etag"]})
    assert (renewed.status_code, len(renewed.json()["rows"])) == (200, 3)
    assert (await client.get(SOLUTIONS)).content == renewed.content


async def test_who_holds_the_answer_and_who_does_not_may_ask_at_once(
    client: httpx.AsyncClient, stopwatch: Stopwatch
) -> None:
    tag = (await client.get(SOLUTIONS)).headers["etag"]
    stopwatch.seconds = KEPT_SECONDS
    asked = (client.get(SOLUTIONS, headers=headers) for headers in ({"If-None-Match": tag}, {}))
    assert [reply.status_code for reply in await asyncio.gather(*asked)] == [304, 200]


async def test_failures_are_not_kept(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.failure = StoreBusy("busy")
    assert (await client.get(SOLUTIONS)).status_code == 503
    analytics.failure = None
    assert (await client.get(SOLUTIONS)).status_code == 200


async def test_a_failure_of_ours_reaches_all_who_wait_under_its_route(
    app: FastAPI, client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    analytics.failure = RuntimeError("ours")
    replies = await asyncio.gather(*(client.get(SOLUTIONS) for _ in range(5)))
    assert [reply.status_code for reply in replies] == [500] * 5
    labels = {"method": "GET", "route": SOLUTIONS, "status": "500"}
    assert app.state.metrics.registry.get_sample_value("api_requests_total", labels) == 5


async def test_a_crowd_at_one_question_goes_to_the_routes_once(
    app: FastAPI, client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    reached = 0

    async def counted() -> Any:
        nonlocal reached
        reached += 1
        await asyncio.sleep(0.01)
        return await analytics.progress()

    app.state.progress = SharedCall(counted)
    replies = await asyncio.gather(*(client.get(SOLUTIONS) for _ in range(40)))
    assert {reply.status_code for reply in replies} == {200}
    assert reached == 1
