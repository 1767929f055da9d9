"""Every report on a real Postgres, against sums made here."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
from psycopg import sql

from domain.sketch import bucket_of
from serving.analytics.reports.catalogue import DECLINES, FINANCIAL, MERCHANTS, REPORTS, SOLUTIONS
from serving.analytics.reports.declaration import Dimension, Report
from tests.integration.serving.conftest import Opener

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 1, tzinfo=UTC)
RANGE = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-01T06:00:00Z"}
HOURS = 6
ALL = (*REPORTS, DECLINES)
PERCENTILES = {"latency_p50_ms": 50, "latency_p95_ms": 95, "latency_p99_ms": 99}


def values_of(dimension: Dimension) -> Sequence[str | int | bool]:
    return {str: ["a", "B", "Ünder & Co"], int: [2, 3, 5], bool: [True, False]}[dimension.type]


def stored(report: Report) -> list[str]:
    """Columns of the view that hold figures, each once."""
    return list(dict.fromkeys(measure.source for measure in report.measures))


def fill(connection: psycopg.Connection, report: Report) -> list[dict[str, Any]]:
    """Random rows of a view for six hours and one on either side."""
    random_ = random.Random(report.name)
    rows = []
    for hour in range(-1, HOURS + 1):
        for _ in range(12):
            row: dict[str, Any] = {one.name: random_.choice(values_of(one)) for one in report.dimensions}
            row |= {name: random_.randint(0, 900) for name in stored(report)}
            if "chargebacks" in row and hour % 2:
                row["chargebacks"] = row["chargeback_amount_usd"] = None
            rows.append({"hour": START + timedelta(hours=hour), "is_from_batch": random_.random() < 0.9, **row})
    insert(connection, report.view, rows)
    return [row for row in rows if START <= row["hour"] < START + timedelta(hours=HOURS)]


def insert(connection: psycopg.Connection, view: str, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier("gold", view),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(sql.Placeholder() * len(names)),
    )
    connection.execute(sql.SQL("truncate {}").format(sql.Identifier("gold", view)))
    with connection.cursor() as cursor:
        cursor.executemany(statement, [list(row.values()) for row in rows])


def sums(report: Report, rows: Sequence[dict[str, Any]]) -> dict[str, int | None]:
    """Every measure of a group."""
    conditions = {"": lambda _: True, "uses_3ds": lambda row: row["uses_3ds"]}
    conditions["chargebacks is not null"] = lambda row: row["chargebacks"] is not None
    found: dict[str, int | None] = {}
    for measure in report.measures:
        counted = [row[measure.source] for row in rows if conditions[measure.only_where](row)]
        known = [value for value in counted if value is not None]
        found[measure.name] = sum(known) if known or not measure.nullable else None
    return found


def expected(
    report: Report, rows: Sequence[dict[str, Any]], keys: Sequence[str]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    summed = {key: sums(report, members) for key, members in groups.items()}
    answer: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, figures in summed.items():
        shown: dict[str, Any] = {one.name: figures[one.name] for one in report.measures if one.shown}
        for ratio in report.ratios:
            one_group, every_group = (
                figures[ratio.denominator],
                sum(one[ratio.denominator] or 0 for one in summed.values()),
            )
            whole = every_group if ratio.of_all_groups else one_group
            part = figures[ratio.numerator]
            exact = part / whole if whole and part is not None else None
            shown[ratio.name] = pytest.approx(exact, abs=0.51 * 10**-ratio.digits)
        answer[key] = {**shown, "is_from_batch": all(row["is_from_batch"] for row in groups[key])}
    return answer


async def read(client: httpx.AsyncClient, report: Report, **parameters: Any) -> list[dict[str, Any]]:
    """All pages of a report."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await client.get(f"/api/analytics/{report.name}", params={**RANGE, **parameters, **cursor})
        assert reply.status_code == 200, reply.text
        rows += reply.json()["rows"]
        if reply.json()["next_cursor"] is None:
            return rows
        cursor = {"cursor": reply.json()["next_cursor"]}


def keyed(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their keys, without the keys themselves and without percentiles."""
    found = {}
    for row in rows:
        key = tuple(datetime.fromisoformat(row[name]) if name == "hour" else row[name] for name in keys)
        assert key not in found
        found[key] = row
    return found


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.name)
async def test_every_grouping_equals_an_independent_sum(
    open_app: Opener, api_url: str, superuser: psycopg.Connection, report: Report
) -> None:
    rows = fill(superuser, report)
    groupings = [(report.main_dimension,), ("hour",), report.dimension_names, ("hour", *report.dimension_names)]
    async with open_app(api_url) as (client, _):
        for keys in groupings:
            found = keyed(await read(client, report, group_by=",".join(keys), limit=17), keys)
            wanted = expected(report, rows, keys)
            if report is FINANCIAL and "currency" not in keys:
                for row in wanted.values():
                    row.update(dict.fromkeys(("amount", "approved_amount", "declined_amount", "fee", "net")))
            assert found.keys() == wanted.keys()
            assert {key: {name: row[name] for name in wanted[key]} for key, row in found.items()} == wanted


@pytest.mark.parametrize("report", ALL, ids=lambda report: report.name)
async def test_every_filter_keeps_what_it_names(
    open_app: Opener, api_url: str, superuser: psycopg.Connection, report: Report
) -> None:
    rows = fill(superuser, report)
    async with open_app(api_url) as (client, _):
        for dimension in report.dimensions:
            wanted = values_of(dimension)[:2]
            texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in wanted]
            parameters = {dimension.name: texts, "group_by": dimension.name}
            found = keyed(await read(client, report, **parameters), (dimension.name,))
            kept = [row for row in rows if row[dimension.name] in wanted]
            assert {key: row[report.main_measure] for key, row in found.items()} == {
                key: row[report.main_measure] for key, row in expected(report, kept, (dimension.name,)).items()
            }


@pytest.mark.parametrize(
    "name",
    [
        "A=B (Ltd)",
        "x' or '1'='1",
        "'; drop table gold.v_merchant_performance; --",
        "m' union select 1 --",
        'say "hi"; (select pg_sleep(9))',
        "$1 %s %(limit)s {} \\",
        "*/ null /*",
    ],
)
async def test_sql_in_a_value_is_only_a_value(
    open_app: Opener, api_url: str, superuser: psycopg.Connection, name: str
) -> None:
    rows = fill(superuser, MERCHANTS)
    for number, row in enumerate(rows):
        row["merchant_id"] = name if number % 3 == 0 else "another"
    insert(superuser, MERCHANTS.view, rows)
    async with open_app(api_url) as (client, _):
        found = await read(client, MERCHANTS, merchant_id=name)
        assert [row["merchant_id"] for row in found] == [name]
        assert found[0]["attempts"] == sum(row["attempts"] for row in rows[::3])
        assert await read(client, MERCHANTS, merchant_id=f"{name} ") == []
        for refused in ("group_by", "sort", "limit", "start", "cursor", name):
            reply = await client.get("/api/analytics/merchants", params={**RANGE, refused: name})
            assert reply.status_code == 422, (refused, reply.text)
        assert len(await read(client, MERCHANTS)) == 2


async def test_rows_come_in_the_order_asked_for(open_app: Opener, api_url: str, superuser: psycopg.Connection) -> None:
    fill(superuser, SOLUTIONS)
    async with open_app(api_url) as (client, _):
        for sort, sign in (("approved", 1), ("-approved", -1), ("approval_rate", 1)):
            rows = await read(client, SOLUTIONS, group_by="processor,card_network", sort=sort, limit=4)
            figures = [row[sort.removeprefix("-")] for row in rows]
            assert figures == sorted(figures, key=lambda value: sign * value)


async def test_percentiles_are_those_of_all_attempts_within_one_percent(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    random_ = np.random.default_rng(11)
    latencies: dict[tuple[datetime, str], Any] = {}
    for hour in range(HOURS):
        for processor, typical in (("ProcessorA", 80), ("ProcessorB", 240)):
            size = int(random_.integers(50, 4_000))
            drawn = np.maximum(random_.lognormal(np.log(typical), 0.6, size).astype(int), 1)
            latencies[START + timedelta(hours=hour), processor] = drawn
    buckets = [
        {
            "hour": hour,
            "processor": processor,
            "bucket": bucket,
            "up_to_ms": 0,
            "attempts": count,
            "is_from_batch": True,
        }
        for (hour, processor), drawn in latencies.items()
        for bucket, count in zip(*np.unique([bucket_of(one) for one in drawn], return_counts=True), strict=True)
    ]
    insert(
        superuser,
        "v_latency_distribution_hourly",
        [{k: v if isinstance(v, (str, datetime, bool)) else int(v) for k, v in row.items()} for row in buckets],
    )
    summary = [
        {
            "hour": hour,
            "processor": processor,
            "attempts": len(drawn),
            "latency_ms": int(drawn.sum()),
            "pipeline_errors": 0,
            "late": 0,
            "is_from_batch": True,
        }
        for (hour, processor), drawn in latencies.items()
    ]
    insert(superuser, "v_system_performance", summary)
    report = next(one for one in REPORTS if one.name == "system")
    async with open_app(api_url) as (client, _):
        by_processor = keyed(await read(client, report), ("processor",))
        by_hour = keyed(await read(client, report, group_by="hour"), ("hour",))
    for at, rows in ((1, by_processor), (0, by_hour)):
        for key, row in rows.items():
            together = np.concatenate([drawn for place, drawn in latencies.items() if place[at] == key[0]])
            for name, quantile in PERCENTILES.items():
                true = float(np.percentile(together, quantile, method="lower"))
                assert row[name] == pytest.approx(true, rel=0.0101), (key, name)


async def test_without_rows_there_are_no_groups_and_no_error(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    async with open_app(api_url) as (client, _):
        for report in ALL:
            superuser.execute(sql.SQL("truncate {}").format(sql.Identifier("gold", report.view)))
            assert await read(client, report) == []


async def test_the_reply_says_how_far_its_data_reach_and_which_hours_it_counted(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    superuser.execute("truncate live.progress")
    superuser.execute(
        "insert into live.progress values ('money', 7, '2026-03-01 05:59:58+00', '2026-03-01 05:59:59+00')"
    )
    async with open_app(api_url) as (client, _):
        reply = await client.get("/api/analytics/merchants?start=2026-03-01T00:30:00Z&end=2026-03-01T05:10:00Z")
    body = reply.json()
    assert (body["start"], body["end"]) == ("2026-03-01T00:00:00Z", "2026-03-01T06:00:00Z")
    assert (body["newest_event_at"], body["data_through"]) == ("2026-03-01T05:59:58Z", "2026-03-01T05:59:59Z")
    assert body["group_by"] == ["merchant_id"]


async def test_a_new_batch_has_a_new_etag(open_app: Opener, api_url: str, superuser: psycopg.Connection) -> None:
    fill(superuser, MERCHANTS)
    superuser.execute("truncate live.progress")
    superuser.execute("insert into live.progress values ('money', 7, now(), now())")
    path = "/api/analytics/merchants?start=2026-03-01T00:00:00Z&end=2026-03-01T06:00:00Z"
    async with open_app(api_url) as (client, _):
        first = await client.get(path)
        tag = first.headers["etag"]
        again = await client.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert first.headers["cache-control"] == "private, no-cache"
        superuser.execute("update live.progress set batch_id = 8, committed_at = clock_timestamp()")
        renewed = await client.get(path, headers={"If-None-Match": tag})
        assert renewed.status_code == 200
        assert renewed.headers["etag"] != tag


async def test_what_dbt_writes_shows_without_a_new_batch(
    open_app: Opener, api_url: str, superuser: psycopg.Connection
) -> None:
    fill(superuser, MERCHANTS)
    superuser.execute("select pg_stat_force_next_flush()")
    path = "/api/analytics/merchants?start=2026-03-01T00:00:00Z&end=2026-03-01T06:00:00Z"
    async with open_app(api_url) as (client, _):
        first = await client.get(path)
        superuser.execute("update gold.v_merchant_performance set attempts = attempts + 1")
        superuser.execute("select pg_stat_force_next_flush()")
        second = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert sum(row["attempts"] for row in second.json()["rows"]) > sum(row["attempts"] for row in first.json()["rows"])


async def test_alerts_come_by_severity_and_age(open_app: Opener, api_url: str, superuser: psycopg.Connection) -> None:
    superuser.execute("truncate gold.v_active_alerts")
    superuser.execute(
        "insert into gold.v_active_alerts values"
        " ('1', 'anomaly', 'warning', now(), now(), 'volume', 'processor', 'ProcessorA', 10, 20.5, 'half'),"
        " ('2', 'freshness', 'critical', now() - interval '1 hour', now(), 'age', null, null, 90, 30, 'stale'),"
        " ('3', 'anomaly', 'warning', now() + interval '1 second', now(), 'volume', null, null, null, null, null)"
    )
    async with open_app(api_url) as (client, _):
        body = (await client.get("/api/analytics/alerts")).json()
        anomalies = (await client.get("/api/analytics/alerts?kind=anomaly&severity=warning&limit=1")).json()
    assert [alert["alert_id"] for alert in body["alerts"]] == ["2", "3", "1"]
    assert body["alerts"][2]["expected"] == float(Decimal("20.5"))
    assert [alert["alert_id"] for alert in anomalies["alerts"]] == ["3"]
