"""The queries on a real Postgres."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from tests.integration.serving.conftest import Opener

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 1, tzinfo=UTC)
Key = tuple[datetime, str, str]


@pytest.fixture
def hours(superuser: psycopg.Connection) -> dict[Key, tuple[int, int, Decimal]]:
    """Random rows of two days by hour, segment and currency: attempts, approved, US dollars."""
    random_ = random.Random(7)
    rows: dict[Key, tuple[int, int, Decimal]] = {}
    for hour in range(48):
        for segment in ("Gaming", "Retail", "Travel"):
            for currency in ("EUR", "USD"):
                attempts = random_.randint(1, 500)
                usd = Decimal(random_.randint(1, 10**7)) / 100
                rows[START + timedelta(hours=hour), segment, currency] = (attempts, random_.randint(0, attempts), usd)
    superuser.execute("truncate gold.v_approval_trends_hourly")
    with superuser.cursor() as cursor:
        cursor.executemany(
            "insert into gold.v_approval_trends_hourly values"
            " (%s, %s, %s, %s, %s, %s, null, 0, 0, %s, %s, %s, %s, 100, true)",
            [(*key, n, ok, n - ok, usd, usd, usd, usd) for key, (n, ok, usd) in rows.items()],
        )
    return rows


async def test_kpis_come_as_the_view_holds_them(open_app: Opener, api_url: str) -> None:
    async with open_app(api_url) as (client, _):
        body = (await client.get("/api/analytics/kpis?window=last_7_days")).json()
    assert (body["kpi_window"], body["attempts"], body["amount_usd"]) == ("last_7_days", 1000, 61230.10)


async def test_declines_come_by_rank_also_when_unknown(open_app: Opener, api_url: str) -> None:
    async with open_app(api_url) as (client, _):
        body = (await client.get("/api/analytics/declines")).json()
    assert [(r["decline_reason"], r["recoverable_amount_usd"]) for r in body["reasons"]] == [
        ("insufficient_funds", 1457.28),
        ("made_up", None),
    ]


@pytest.mark.parametrize("group_by", ["hour", "segment", "currency", "segment_and_currency"])
async def test_all_pages_together_equal_an_independent_sum(
    open_app: Opener, api_url: str, hours: dict[Key, tuple[int, int, Decimal]], group_by: str
) -> None:
    expected: dict[tuple[datetime, str | None, str | None], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for (hour, segment, currency), figures in hours.items():
        key = (hour, segment if "segment" in group_by else None, currency if "currency" in group_by else None)
        expected[key] = [a + b for a, b in zip(expected[key], figures, strict=True)]
    found = {}
    path = f"/api/analytics/trends?from=2026-03-01&to=2026-03-03&group_by={group_by}&limit=37"
    async with open_app(api_url) as (client, _):
        cursor = ""
        while cursor is not None:
            body = (await client.get(path + (f"&cursor={cursor}" if cursor else ""))).json()
            for p in body["points"]:
                key = (datetime.fromisoformat(p["hour"]), p["merchant_segment"], p["currency"])
                assert key not in found
                found[key] = [Decimal(p["attempts"]), Decimal(p["approved"]), Decimal(str(p["amount_usd"]))]
            cursor = body["next_cursor"]
    assert found == expected
    assert list(found) == sorted(found, key=lambda k: (k[0], k[1] or "", k[2] or ""))


async def test_filters_keep_what_they_name_in_any_case(
    open_app: Opener, api_url: str, hours: dict[Key, tuple[int, int, Decimal]]
) -> None:
    path = "/api/analytics/trends?from=2026-03-01&to=2026-03-01T02:00:00Z&segment=travel&currency=eur"
    async with open_app(api_url) as (client, _):
        points = (await client.get(path)).json()["points"]
    assert [(p["attempts"], p["amount"]) for p in points] == [
        (
            hours[START + timedelta(hours=h), "Travel", "EUR"][0],
            float(hours[START + timedelta(hours=h), "Travel", "EUR"][2]),
        )
        for h in range(2)
    ]


@pytest.mark.parametrize("value", ["'; drop table gold.v_executive_kpis; --", "O'Brien", "%", "\\"])
async def test_quotes_in_a_filter_are_only_text(open_app: Opener, api_url: str, value: str) -> None:
    async with open_app(api_url) as (client, _):
        reply = await client.get("/api/analytics/trends", params={"segment": value})
    assert (reply.status_code, reply.json()["points"]) == (200, [])


async def test_a_nul_byte_in_a_filter_is_refused(open_app: Opener, api_url: str) -> None:
    async with open_app(api_url) as (client, _):
        reply = await client.get("/api/analytics/trends?segment=%00")
    assert reply.status_code == 422
