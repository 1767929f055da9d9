"""Keys at the door: who may pass, who may not, and what a refusal says."""

from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from serving.access import keys as key_ring
from serving.access.errors import Unauthorised
from serving.access.keys import KeyRing, hash_of, new_secret
from serving.analytics.errors import StoreUnavailable
from serving.app import create_app
from serving.settings import ApiSettings
from tests.unit.serving.fakes import NOW, FakeAnalytics, FakeKeys, FakeWriter

pytestmark = pytest.mark.anyio

KPIS = "/api/analytics/kpis"
MERCHANTS = "/api/analytics/merchants"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def strict_app(settings: ApiSettings, analytics: FakeAnalytics, keys: FakeKeys, audit_writer: FakeWriter) -> FastAPI:
    strict = settings.model_copy(update={"keys_required": True})
    return create_app(strict, analytics=analytics, clock=lambda: NOW, keys=keys, audit_writer=audit_writer)


async def test_anybody_may_read_analytics_by_default(client: httpx.AsyncClient) -> None:
    assert (await client.get(KPIS)).status_code == 200
    assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("path", [KPIS, MERCHANTS, "/", "/docs", "/openapi.json", "/api/nothing", "/healthy"])
async def test_where_keys_are_required_nothing_is_told_without_one(
    strict_app: FastAPI, keys: FakeKeys, path: str
) -> None:
    transport = httpx.ASGITransport(strict_app, raise_app_exceptions=False)
    secret = keys.issue()
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        refused = await client.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.headers["content-type"] == "application/problem+json"
        assert "X-API-Key" in refused.json()["detail"]
        assert (await client.get(path, headers=bearer(secret))).status_code in (200, 404)


@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/static/console.css"])
async def test_probes_scrapes_and_files_need_no_key(strict_app: FastAPI, path: str) -> None:
    transport = httpx.ASGITransport(strict_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_key_is_taken_from_either_header(client: httpx.AsyncClient, keys: FakeKeys, header: str) -> None:
    secret = keys.issue()
    value = f"bearer {secret}" if header == "Authorization" else secret
    assert (await client.get(KPIS, headers={header: value})).status_code == 200
    assert keys.asked == 1


async def test_a_key_that_does_not_count_is_refused_even_where_none_is_needed(
    client: httpx.AsyncClient, keys: FakeKeys
) -> None:
    wrong = {
        new_secret(): "unknown",
        "": "unknown",
        "pk_": "unknown",
        keys.issue(expires_at=NOW): "expired",
        keys.issue(revoked_at=NOW - timedelta(days=1)): "revoked",
    }
    for secret, said in wrong.items():
        reply = await client.get(KPIS, headers=bearer(secret))
        assert reply.status_code == 401
        assert said in reply.json()["detail"]
    assert (
        await client.get(KPIS, headers=bearer(keys.issue(expires_at=NOW + timedelta(seconds=1))))
    ).status_code == 200


async def test_two_different_keys_are_refused(client: httpx.AsyncClient, keys: FakeKeys) -> None:
    reply = await client.get(KPIS, headers={**bearer(keys.issue()), "X-API-Key": keys.issue()})
    assert reply.status_code == 401


async def test_other_schemes_are_not_ours(client: httpx.AsyncClient) -> None:
    assert (await client.get(KPIS, headers={"Authorization": "Basic YTpi"})).status_code == 200


async def test_a_key_without_the_scope_is_forbidden(client: httpx.AsyncClient, keys: FakeKeys) -> None:
    headers = bearer(keys.issue(scopes=["audit:read"]))
    for path in (KPIS, MERCHANTS, "/api/analytics/kpis/stream", "/"):
        reply = await client.get(path, headers=headers)
        assert (reply.status_code, reply.json()["detail"]) == (403, "The key lacks the scope analytics:read.")
    assert (await client.get("/api/audit")).status_code == 401
    assert (await client.get("/api/audit", headers=bearer(keys.issue()))).status_code == 403


async def test_a_key_of_some_merchants_sees_those_alone(
    client: httpx.AsyncClient, keys: FakeKeys, analytics: FakeAnalytics
) -> None:
    headers = bearer(keys.issue(merchants=["m-1", "m-2"]))
    assert (await client.get(MERCHANTS, headers=headers)).status_code == 200
    assert analytics.reports[-1].filters["merchant_id"] == ("m-1", "m-2")
    assert (await client.get(f"{MERCHANTS}?merchant_id=m-2&group_by=hour", headers=headers)).status_code == 200
    assert analytics.reports[-1].filters["merchant_id"] == ("m-2",)
    for other in ("merchant_id=m-3", "merchant_id=m-1&merchant_id=m-3", "merchant_id=M-1"):
        assert (await client.get(f"{MERCHANTS}?{other}", headers=headers)).status_code == 403
    assert len(analytics.reports) == 2


async def test_a_key_of_some_merchants_is_forbidden_everywhere_else(
    app: FastAPI, client: httpx.AsyncClient, keys: FakeKeys
) -> None:
    headers = bearer(keys.issue(scopes=["analytics:read", "audit:read"], merchants=["m-1"]))
    paths = [path for path in app.openapi()["paths"] if not path.startswith("/health")] + ["/", "/fragments/declines"]
    assert len(paths) > 12
    for path in paths:
        expected = 200 if path == MERCHANTS else 403
        assert (await client.get(path, headers=headers)).status_code == expected, path


async def test_two_callers_never_share_a_tag(client: httpx.AsyncClient, keys: FakeKeys) -> None:
    tags = {(await client.get(MERCHANTS, headers=bearer(keys.issue(merchants=[one])))).headers["etag"] for one in "ab"}
    assert len(tags | {(await client.get(MERCHANTS)).headers["etag"]}) == 3


async def test_while_keys_cannot_be_read_the_answer_is_503(client: httpx.AsyncClient, keys: FakeKeys) -> None:
    keys.failure = StoreUnavailable("away")
    reply = await client.get(KPIS, headers=bearer(keys.issue()))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")


async def test_a_key_is_looked_up_once_in_a_while_but_expires_in_time() -> None:
    keys, now = FakeKeys(), [NOW]
    secret = keys.issue(expires_at=NOW + timedelta(seconds=1))
    ring = KeyRing(keys, lambda: now[0], 60)
    for _ in range(3):
        assert (await ring.caller(secret)).key_id == 1
    assert keys.asked == 1
    now[0] += timedelta(seconds=1)
    with pytest.raises(Exception, match="expired"):
        await ring.caller(secret)
    forgetful = KeyRing(keys, lambda: NOW, 0)
    for _ in range(3):
        await forgetful.caller(secret)
    assert keys.asked == 4


def test_keys_are_long_random_and_kept_as_a_hash() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(len(secret) == 46 and secret.startswith("pk_") for secret in secrets)
    assert len(hash_of(secrets.pop())) == 32


async def test_good_and_unknown_keys_are_looked_up_once_while_they_are_remembered(
    keys: FakeKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "MOST_REMEMBERED", 2)
    ring = KeyRing(keys, lambda: NOW, 60)
    good = keys.issue()
    for _ in range(3):
        assert (await ring.caller(good)).key_id == 1
        with pytest.raises(Unauthorised):
            await ring.caller("pk_unknown")
    assert keys.asked == 2
    with pytest.raises(Unauthorised):
        await ring.caller("pk_another")
    with pytest.raises(Unauthorised):
        await ring.caller("pk_unknown")
    assert keys.asked == 3
    await ring.caller(good)
    assert keys.asked == 4
