"""Whatever is asked of the documented endpoints, the answer is an answer or says what was wrong: never a 5xx."""

import json
import random
from typing import Any

import httpx
import psycopg
import pytest

from serving.analytics.reports.parameters import PageMark
from tests.integration.serving.conftest import Opener
from tests.integration.serving.test_reports import ALL, START, fill

pytestmark = pytest.mark.anyio

REQUESTS_PER_ENDPOINT = 30
NASTY = (
    "", " ", "0", "-1", "1e9", "NaN", "null", "true", "\0", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "é", "東京", "%", "_", "\\", "'", '"', ";", "--", "/*", "$1", "%s", "{}", "[]", "../..", "a" * 500,
    "' or '1'='1", "1; drop table gold.v_executive_kpis; --", "ProcessorA'||pg_sleep(5)||'", "9" * 30, "-" * 30,
    "2026-03-01", "2026-03-01T00:00:00Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-03-01T00:00:00+99:99", "2026-03-01T00:00:00 02:00", "last_hour", "hour", "-attempts", "hour,hour", ",,",
    PageMark("x", START, START.replace(hour=5), 5).encode(),
)  # fmt: skip


def likely(parameter: dict[str, Any], random_: random.Random) -> str:
    """A value that the document calls an example, or one that nobody would send."""
    examples = parameter["schema"].get("examples") or []
    if examples and random_.random() < 0.5:
        example = random_.choice(examples)
        one = random_.choice(example) if isinstance(example, list) else example
        return json.dumps(one) if isinstance(one, bool) else str(one)
    return random_.choice(NASTY)


@pytest.mark.parametrize("seed", [1])
async def test_no_request_fails_on_our_side(
    open_app: Opener, api_url: str, superuser: psycopg.Connection, seed: int
) -> None:
    for report in ALL:
        fill(superuser, report)
    random_ = random.Random(seed)
    seen: dict[int, int] = {}
    async with open_app(api_url) as (client, app):
        for path, operations in app.openapi()["paths"].items():
            if path.startswith("/health") or path.endswith("/stream") or "get" not in operations:
                continue
            parameters = operations["get"].get("parameters", [])
            for _ in range(REQUESTS_PER_ENDPOINT):
                chosen = random_.sample(parameters, random_.randint(0, min(4, len(parameters))))
                query = [(one["name"], likely(one, random_)) for one in chosen if one["in"] == "query"]
                if random_.random() < 0.05:
                    query.append((random_.choice(NASTY), "1"))
                headers = {"If-None-Match": '*, W/"x", "'} if random_.random() < 0.05 else {}
                reply = await client.get(path, params=query, headers=headers)
                assert reply.status_code < 500, (path, query, reply.text)
                assert str(reply.status_code) in operations["get"]["responses"], (path, query, reply.status_code)
                check_problem(reply)
                seen[reply.status_code] = seen.get(reply.status_code, 0) + 1
    assert seen[200] > 50
    assert seen[422] > 50


def check_problem(reply: httpx.Response) -> None:
    if reply.status_code >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == reply.status_code
        assert "Traceback" not in reply.text
    elif reply.status_code == 200:
        json.loads(reply.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
