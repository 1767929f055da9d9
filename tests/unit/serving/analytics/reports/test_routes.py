"""The reports over a fake store: pages, tags, and mistakes that are told."""

from typing import Any

import httpx
import pytest

from serving.analytics.errors import StoreBusy
from serving.analytics.reports.catalogue import DECLINES, REPORTS
from serving.analytics.reports.models import Alert
from tests.unit.serving.fakes import FakeAnalytics

pytestmark = pytest.mark.anyio

NAMES = [report.name for report in (*REPORTS, DECLINES)]
RANGED = "start=2026-03-01T00:00:00Z&end=2026-03-02T00:00:00Z"


@pytest.mark.parametrize("name", NAMES)
async def test_every_report_answers_with_freshness_range_and_rows(client: httpx.AsyncClient, name: str) -> None:
    reply = await client.get(f"/api/analytics/{name}?{RANGED}")
    body = reply.json()
    assert reply.status_code == 200
    assert (body["start"], body["end"]) == ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    assert body["data_through"] == "2026-03-02T12:00:29Z"
    assert len(body["rows"]) == 3
    assert body["next_cursor"] is None


@pytest.mark.parametrize("limit", [1, 4, 10, 11])
async def test_pages_join_without_gap_or_double(
    client: httpx.AsyncClient, analytics: FakeAnalytics, limit: int
) -> None:
    analytics.groups = 11
    seen, cursor = [], ""
    while cursor is not None:
        mark = f"&cursor={cursor}" if cursor else ""
        body = (await client.get(f"/api/analytics/merchants?limit={limit}{mark}")).json()
        seen += [row["merchant_id"] for row in body["rows"]]
        cursor = body["next_cursor"]
    assert seen == [f"group {number}" for number in range(11)]


async def test_the_answer_that_a_client_has_is_not_sent_again(
    client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    path = f"/api/analytics/risk?{RANGED}"
    first = await client.get(path)
    assert first.headers["etag"].startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["vary"] == "Authorization, X-API-Key, Accept-Encoding"
    for tags in (first.headers["etag"], f'"x", {first.headers["etag"]}', "*", first.headers["etag"].removeprefix("W/")):
        again = await client.get(path, headers={"If-None-Match": tags})
        assert (again.status_code, again.content) == (304, b"")
    assert len(analytics.reports) == 1
    other = await client.get(f"{path}&limit=7", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("qqq=red", "known are start, end, group_by, sort, limit, cursor, payment_solution"),
        ("procesor=A", "did you mean 'processor'?"),
        ("start=2026-03-02&end=2026-03-01", "reversed"),
        ("start=2020-03-02&end=2026-03-01", "at most 90 days"),
        ("limit=1000000", "1000"),
        ("sort=1;drop table x", "cannot sort by"),
        ("group_by=(select 1)", "unknown dimension"),
        ("start=soon", "ISO 8601"),
        ("cursor=!", "not a cursor"),
    ],
)
async def test_a_mistake_is_a_problem_that_says_what_is_right(client: httpx.AsyncClient, query: str, said: str) -> None:
    reply = await client.get(f"/api/analytics/solutions?{query}")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert said in str(reply.json()["errors"])


async def test_an_unknown_parameter_gets_the_list_of_those_there_are(client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/analytics/risk?risk_teir=LOW")).json()
    common = ["start", "end", "group_by", "sort", "limit", "cursor"]
    assert body["known_parameters"] == [*common, "risk_tier", "amount_bucket", "merchant_segment"]


async def test_an_unreadable_store_is_503(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    analytics.failure = StoreBusy("busy")
    for name in (*NAMES, "alerts"):
        reply = await client.get(f"/api/analytics/{name}?{'' if name == 'alerts' else RANGED}")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    ("query", "is_of_a_window"),
    [
        ("", True),
        ("window=last_hour", True),
        ("limit=5", True),
        ("group_by=kind", False),
        (RANGED, False),
        ("processor=ProcessorA", False),
    ],
)
async def test_declines_are_of_a_window_unless_a_range_is_asked_for(
    client: httpx.AsyncClient, query: str, is_of_a_window: bool
) -> None:
    body = (await client.get(f"/api/analytics/declines?{query}")).json()
    assert ("reasons" in body, "rows" in body) == (is_of_a_window, not is_of_a_window)


@pytest.mark.parametrize("query", ["limit=101", f"window=last_hour&{RANGED}", "window=last_hour&sort=declines"])
async def test_declines_of_both_kinds_at_once_are_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/api/analytics/declines?{query}")).status_code == 422


async def test_alerts_can_be_filtered(client: httpx.AsyncClient, analytics: FakeAnalytics) -> None:
    facts: dict[str, Any] = dict.fromkeys(Alert.model_fields)
    analytics.open_alerts = [
        Alert(**{**facts, "alert_id": kind, "kind": kind, "severity": "warning"}) for kind in ("anomaly", "freshness")
    ]
    body = (await client.get("/api/analytics/alerts?kind=freshness")).json()
    assert [alert["alert_id"] for alert in body["alerts"]] == ["freshness"]


async def test_every_row_of_the_reference_names_its_fields_and_units(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for report in (*REPORTS, DECLINES):
        name = "ThreeDs" if report.name == "3ds" else report.name.title()
        properties = document["components"]["schemas"][f"{name}Row"]["properties"]
        assert set(properties) == {*report.keys, *report.figures, "is_from_batch"}
        assert all(one.get("description") for one in properties.values())
        operation = document["paths"][f"/api/analytics/{report.name}"]["get"]
        assert {"401", "403", "422", "503", "304"} <= operation["responses"].keys()
        named = {one["name"]: one for one in operation["parameters"]}
        assert set(report.dimension_names) < named.keys()
        assert all(one["schema"].get("examples") for name, one in named.items() if name not in ("cursor",))
