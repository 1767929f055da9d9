"""Every error has the one shape of RFC 9457 and gives nothing internal away."""

import httpx
import pytest

from tests.unit.serving.fakes import FakeAnalytics

pytestmark = pytest.mark.anyio


def is_problem(reply: httpx.Response, status: int) -> bool:
    body = reply.json()
    return (
        reply.status_code == status == body["status"]
        and reply.headers["content-type"] == "application/problem+json"
        and {"type", "title", "detail", "instance"} <= body.keys()
    )


async def test_an_unknown_parameter_is_refused_with_the_nearest_known_one(client: httpx.AsyncClient) -> None:
    reply = await client.get("/api/analytics/kpis?windw=last_hour")
    assert is_problem(reply, 422)
    assert reply.json()["errors"] == [
        {"parameter": "query.windw", "message": "unknown parameter; did you mean 'window'?"}
    ]


async def test_an_unknown_parameter_like_no_other_gets_the_whole_list(client: httpx.AsyncClient) -> None:
    reply = await client.get("/api/analytics/alerts?qqq=1")
    assert reply.json()["errors"][0]["message"] == "unknown parameter; known are kind, severity, limit"


async def test_all_mistakes_are_told_at_once(client: httpx.AsyncClient) -> None:
    reply = await client.get("/api/analytics/trends?limit=0&currency=EURO&from=x&colour=red")
    assert is_problem(reply, 422)
    assert {mistake["parameter"] for mistake in reply.json()["errors"]} == {
        "query.limit",
        "query.currency",
        "query.from",
        "query.colour",
    }


async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get("/api/analytics/nothing"), 404)


async def test_a_wrong_method_is_a_problem_that_lists_the_right_ones(client: httpx.AsyncClient) -> None:
    reply = await client.post("/api/analytics/kpis")
    assert is_problem(reply, 405)
    assert reply.headers["allow"] == "GET"


async def test_an_unexpected_error_leaks_nothing_but_its_incident_number(
    client: httpx.AsyncClient, analytics: FakeAnalytics, caplog: pytest.LogCaptureFixture
) -> None:
    analytics.failure = RuntimeError("password=hunter2")
    reply = await client.get("/api/analytics/kpis")
    assert is_problem(reply, 500)
    assert "hunter2" not in reply.text
    assert f"incident {reply.json()['incident']}" in caplog.text
