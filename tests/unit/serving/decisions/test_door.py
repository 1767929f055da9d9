"""Decisions over HTTP: answers, problems, keys, and what is counted and recorded of them."""

import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serving.decisions import bodies
from serving.decisions.answers import Inference
from serving.decisions.endpoints import AUTH, RETRYING, ROUTE
from serving.decisions.experiments import Experiment
from serving.decisions.requests import PREDICTIONS
from tests.unit.serving.decisions.conftest import Folders
from tests.unit.serving.fakes import FakeKeys

pytestmark = pytest.mark.anyio
FRAUD = "fraud_detection_model"
EXAMPLE = PREDICTIONS[FRAUD].example


@pytest.fixture
def recorded(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[Inference]:
    found: list[Inference] = []
    monkeypatch.setattr(app.decisions.record, "add", found.append)
    return found


async def test_a_prediction_says_what_who_and_why(client: httpx.AsyncClient, recorded: list[Inference]) -> None:
    response = await client.post("/predict", json=EXAMPLE)
    assert response.status_code == 200
    found = response.json()
    assert (found["model"], found["version"], found["arm"], found["experiment"]) == (FRAUD, 1, "champion", None)
    assert found["probability"] == pytest.approx(found["probabilities"]["fraud"])
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert found["decision"] == ("fraud" if found["probability"] >= found["threshold"] else "honest")
    assert 1 <= len(found["reasons"]) <= 3
    assert all(one["text"] and one["contribution"] for one in found["reasons"])
    (row,) = recorded
    assert (row.request_id, row.transaction_id, row.merchant_id) == (found["request_id"], "t-5f0c", "m-00007")
    assert row.score == found["probability"]
    assert row.request["amount"] == 249.9


@pytest.mark.parametrize("model", PREDICTIONS)
async def test_every_model_can_be_asked_by_name(client: httpx.AsyncClient, model: str) -> None:
    response = await client.post("/predict", json=PREDICTIONS[model].example)
    assert response.status_code == 200, response.text
    assert response.json()["model"] == model


async def test_a_batch_answers_each_row_as_if_it_had_been_asked_alone(client: httpx.AsyncClient) -> None:
    rows = [{**EXAMPLE, "amount": amount} for amount in (1, 20, 300)]
    alone = [(await client.post("/predict", json=row)).json()["probability"] for row in rows]
    found = (await client.post("/predict/batch", json={"rows": rows})).json()
    assert found["rows"] == 3
    assert [one["probability"] for one in found["predictions"]] == alone
    assert len({one["request_id"] for one in found["predictions"]}) == 3


@pytest.mark.parametrize("count", [0, 10_001, 100_001])
async def test_a_batch_of_too_few_or_too_many_rows_is_refused(client: httpx.AsyncClient, count: int) -> None:
    response = await client.post("/predict/batch", json={"rows": [{"amount": 1}] * count})
    assert response.status_code == 422
    assert "1 to 10,000" in response.json()["errors"][0]["message"]


async def test_a_wrong_row_of_a_batch_is_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict/batch", json={"rows": [EXAMPLE, {"amount": "x"}]})
    assert response.json()["errors"][0]["parameter"] == "body.rows.1.amount"


async def test_a_payment_is_decided_by_three_models_and_the_rules(
    client: httpx.AsyncClient, recorded: list[Inference]
) -> None:
    response = await client.post("/api/decisioning/auth", json={**AUTH.example, "issuer_country": "KP"})
    found = response.json()
    assert found["decision"] == "decline"
    assert "blocked_country" in [one["rule"] for one in found["rules"]]
    assert [one["model"] for one in found["models"]] == [FRAUD, "risk_scoring_model", "approval_propensity_model"]
    assert {(one.request_id, one.decision) for one in recorded} == {(found["request_id"], "decline")}
    assert all("blocked_country" in one.policy_rules for one in recorded)


async def test_a_hard_decline_is_not_tried_again_whatever_the_model_says(client: httpx.AsyncClient) -> None:
    asked = {**RETRYING.example, "amount": 500}
    soft = (await client.post("/api/decisioning/retry", json=asked)).json()
    assert soft["decision"] == "retry"
    assert soft["wait_minutes"] in (60.0, 1440.0)
    assert set(soft["models"][0]["probabilities"]) == {"60", "1440"}
    hard = (await client.post("/api/decisioning/retry", json={**asked, "decline_reason": "expired_card"})).json()
    assert hard["decision"] == "give_up"
    assert "wait_minutes" not in hard
    tired = (await client.post("/api/decisioning/retry", json={**asked, "previous_attempts": 9})).json()
    assert tired["decision"] == "give_up"
    assert tired["models"][0]["decision"] == "retry"


async def test_a_processor_out_of_service_is_passed_over(
    app: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await client.post("/api/decisioning/routing", json=ROUTE.example)).json()
    policy = app.decisions.files[0]
    monkeypatch.setattr(policy, "_content", policy.parse(_without(policy, [first["processor"]])))
    second = (await client.post("/api/decisioning/routing", json=ROUTE.example)).json()
    assert second["processor"] != first["processor"]
    assert [one["rule"] for one in second["rules"]] == ["out_of_service"]
    everything = ["ProcessorA", "ProcessorB", "ProcessorC"]
    monkeypatch.setattr(policy, "_content", policy.parse(_without(policy, everything)))
    nothing = (await client.post("/api/decisioning/routing", json=ROUTE.example)).json()
    assert nothing["decision"] == "none"


def _without(policy: Any, processors: list[str]) -> dict[str, Any]:
    import tomllib

    return {**tomllib.loads(policy.path.read_text()), "routing": {"out_of_service": processors}}


@pytest.mark.parametrize("name", ["approval", "risk", "routing", "retry"])
async def test_a_model_can_be_asked_without_the_rules(app: Any, client: httpx.AsyncClient, name: str) -> None:
    endpoint = app.decisions.door.endpoints[f"/api/ml/{name}"]
    response = await client.post(endpoint.path, json=endpoint.request.example)
    assert response.status_code == 200, response.text
    assert "rules" not in response.json()


async def test_a_mistake_has_the_shape_of_all_problems(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict", json={"amount": "much"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.json() == {
        "type": "urn:problem:invalid-request",
        "title": "The request is not valid",
        "status": 422,
        "detail": "1 parameter is wrong.",
        "instance": "/predict",
        "errors": [{"parameter": "body.amount", "message": "Expected 'float', got 'str'"}],
    }


@pytest.mark.parametrize("body", [b'{"model": "zoo", "x": ' + b"[" * 100_000, b'{"rows": [' + b"[" * 100_000])
async def test_depth_without_end_is_a_mistake(client: httpx.AsyncClient, body: bytes) -> None:
    for path in ("/predict", "/predict/batch"):
        assert (await client.post(path, content=body)).status_code == 422


ODD = (
    ("/predict", {"amount": 1.7e308}),
    ("/predict", {"amount": 1e300, "user_amount_cents": 5e-324, "user_transactions": 1e300}),
    ("/predict", {"amount": 5e-324, "user_amount_cents": 1.7e308, "user_transactions": 5e-324}),
    ("/predict", {"amount": 1, "device_users": 1.7e308, "device_transactions": 5e-324}),
    ("/predict", {"amount": 1, "event_timestamp": "0001-01-01T00:00:00+14:00"}),
    ("/predict", {"amount": 1, "event_timestamp": "9999-12-31T23:59:59-14:00"}),
    ("/predict", {"amount": 1, "country": "\0"}),
    ("/api/decisioning/auth", {"amount": 1.7e308, "currency": "GBP", "transaction_id": "\0"}),
    ("/api/decisioning/retry", {"amount": 1.7e308, "currency": "GBP", "decline_reason": "\ufeff"}),
    ("/api/decisioning/routing", {"amount": 1.7e308, "currency": "GBP"}),
)


async def test_what_can_be_written_down_can_be_answered(client: httpx.AsyncClient, recorded: list[Inference]) -> None:
    for path, odd in ODD:
        response = await client.post(path, json=odd)
        assert response.status_code == 200, (odd, response.text)
        shown = [one["value"] for one in _reasons(response.json()) if "missing" not in one["text"]]
        assert None not in shown, odd
    assert all(math.isfinite(one.score) for one in recorded)


def _reasons(answer: dict[str, Any]) -> list[dict[str, Any]]:
    models = answer.get("models", [answer])
    return [reason for one in models for reason in one["reasons"]]


async def test_of_a_key_that_is_there_twice_the_last_counts(
    client: httpx.AsyncClient, recorded: list[Inference]
) -> None:
    assert (await client.post("/predict", content=b'{"amount": 1, "amount": 2}')).status_code == 200
    assert recorded[0].request["amount"] == 2


async def test_a_compressed_body_is_refused_and_says_so(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    plain = await client.post("/predict", json=EXAMPLE, headers={"Content-Encoding": "identity"})
    assert plain.status_code == 200


async def test_a_batch_of_anything_but_objects_is_refused_at_the_first(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict/batch", content=b'{"rows": [%s1]}' % (b"1," * 100_000))
    assert response.json()["errors"] == [{"parameter": "body.rows.0", "message": "Expected 'object', got 'int'"}]


async def test_large_bodies_are_not_all_held_at_once(
    app: Any, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD_BYTES", 100_000)

    async def parts() -> Any:
        for _ in range(20):
            yield b" " * 10_000

    response = await client.post("/predict", content=parts())
    assert response.status_code == 503
    assert response.json()["type"] == "urn:problem:too-many-requests"
    assert app.decisions.door._bodies.held == 0
    assert (await client.post("/predict", json=EXAMPLE)).status_code == 200


async def test_other_methods_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_body_of_ten_megabytes_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict/batch", content=b"x" * 10_000_000)
    assert response.status_code == 413

    async def parts() -> Any:
        for _ in range(1000):
            yield b"x" * 10_000

    assert (await client.post("/predict", content=parts())).status_code == 413


async def test_an_unknown_model_is_a_mistake_and_one_without_a_champion_is_not(
    client: httpx.AsyncClient, app: Any, folders: Folders
) -> None:
    assert (await client.post("/predict", json={"model": "zoo", "amount": 1})).status_code == 422
    escaped = await client.post("/predict", content=b'{"mod\\u0065l": "risk_scoring_model", "amount": 1}')
    assert escaped.status_code == 422
    app.decisions.store.models = {}
    response = await client.post("/predict", json=EXAMPLE)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "python -m ml promote fraud_detection_model" in response.json()["detail"]


async def test_without_any_model_the_rules_decide_say_so_and_are_in_the_audit(
    app: Any, client: httpx.AsyncClient, recorded: list[Inference]
) -> None:
    app.decisions.store.models = {}
    asked = {**AUTH.example, "transaction_id": "t-\0"}
    calm = (await client.post("/api/decisioning/auth", json=asked)).json()
    assert (calm["decision"], calm["model"], calm["models"]) == ("approve", "none", [])
    assert [one["rule"] for one in calm["rules"]] == ["no_model"] * 3
    assert f"{FRAUD} has no champion." in calm["rules"][0]["because"]
    assert "`make train`" in calm["rules"][0]["because"]
    blocked = (await client.post("/api/decisioning/auth", json={**asked, "issuer_country": "KP"})).json()
    assert blocked["decision"] == "decline"
    assert recorded == []
    kept = app.state.audit_log.waiting.get_nowait()
    assert (kept.route, kept.status) == ("/api/decisioning/auth", 200)
    assert kept.parameters["decision"] == ["approve"]
    assert kept.parameters["transaction_id"] == ["t-\ufffd"]


async def test_what_models_there_are_take_part(app: Any, client: httpx.AsyncClient) -> None:
    app.decisions.store.models = {FRAUD: app.decisions.store.models[FRAUD]}
    found = (await client.post("/api/decisioning/auth", json=AUTH.example)).json()
    assert "model" not in found
    assert [one["model"] for one in found["models"]] == [FRAUD]
    assert [one["rule"] for one in found["rules"]].count("no_model") == 2


async def test_without_its_model_a_retry_is_given_up_by_the_rules_or_not_decided(
    app: Any, client: httpx.AsyncClient
) -> None:
    app.decisions.store.models = {}
    hard = {**RETRYING.example, "decline_reason": "expired_card"}
    found = (await client.post("/api/decisioning/retry", json=hard)).json()
    assert (found["decision"], found["model"]) == ("give_up", "none")
    soft = await client.post("/api/decisioning/retry", json=RETRYING.example)
    assert soft.status_code == 503
    assert "python -m ml promote smart_retry_policy" in soft.json()["detail"]


async def test_answers_carry_the_callers_number_and_the_headers_of_all_answers(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict", json=EXAMPLE, headers={"X-Request-ID": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    other = await client.post("/predict", json=EXAMPLE, headers={"X-Request-ID": "not a number"})
    assert len(other.headers["x-request-id"]) == 32


@pytest.fixture
async def locked(make_app: Callable[..., FastAPI]) -> Any:
    app = make_app(keys_required=True)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as it:
        yield it


async def test_where_keys_are_required_one_with_the_scope_opens(locked: httpx.AsyncClient, keys: FakeKeys) -> None:
    assert (await locked.post("/predict", json=EXAMPLE)).status_code == 401
    for scope, status in (("decisions:write", 200), ("analytics:read", 403)):
        secret = keys.issue([scope])
        response = await locked.post("/predict", json=EXAMPLE, headers={"Authorization": f"Bearer {secret}"})
        assert response.status_code == status
    assert (await locked.post("/predict", json=EXAMPLE, headers={"X-API-Key": "pk_unknown"})).status_code == 401


async def test_answers_and_refusals_are_counted(client: httpx.AsyncClient) -> None:
    await client.post("/predict", json=EXAMPLE)
    await client.post("/predict", json={})
    text = (await client.get("/metrics")).text
    assert 'api_requests_total{method="POST",route="/predict",status="200"} 1.0' in text
    assert 'api_requests_total{method="POST",route="/predict",status="422"} 1.0' in text
    assert f'api_inferences_total{{arm="champion",model="{FRAUD}"}} 1.0' in text
    assert f'api_model_info{{alias="champion",model="{FRAUD}",version="1"}} 1.0' in text
    assert 'api_inference_log_dropped_total{sink="shadow"} 0.0' in text


async def test_refusals_under_api_are_in_the_audit_and_answers_in_their_own_record(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    before = app.state.audit_log.waiting.qsize()
    await client.post("/api/ml/risk", json={"amount": 1})
    assert app.state.audit_log.waiting.qsize() == before
    await client.post("/api/ml/risk", json={})
    assert app.state.audit_log.waiting.qsize() == before + 1


@pytest.mark.parametrize(
    ("kind", "share", "arms"),
    [
        ("split", 1.0, ["challenger"]),
        ("split", 0.0, ["champion"]),
        ("canary", 1.0, ["canary"]),
        ("shadow", 1.0, ["champion", "shadow"]),
    ],
)
async def test_an_experiment_chooses_the_version(
    app: Any,
    client: httpx.AsyncClient,
    folders: Folders,
    recorded: list[Inference],
    kind: Any,
    share: float,
    arms: list[str],
) -> None:
    folders.set(FRAUD, "challenger", 2, folders.forms / "another")
    await app.decisions.store.refresh()
    app.decisions.files[1]._content = {FRAUD: Experiment("trial", FRAUD, kind, share)}
    response = (await client.post("/predict", json=EXAMPLE)).json()
    for _ in range(100):
        if len(recorded) == len(arms):
            break
        await _moment()
    assert response["arm"] == arms[0]
    assert response["version"] == (2 if arms[0] in ("challenger", "canary") else 1)
    assert [(one.arm, one.experiment) for one in recorded] == [(arm, "trial") for arm in arms]
    assert recorded[0].split_key == (str(EXAMPLE["user_id"]) if kind == "split" else None)


async def test_a_split_leaves_requests_without_its_key_alone(
    app: Any, client: httpx.AsyncClient, folders: Folders
) -> None:
    folders.set(FRAUD, "challenger", 2, folders.forms / "another")
    await app.decisions.store.refresh()
    app.decisions.files[1]._content = {FRAUD: Experiment("trial", FRAUD, "split", 1.0)}
    response = (await client.post("/predict", json={"amount": 1})).json()
    assert (response["arm"], response["experiment"]) == ("champion", None)


async def test_the_document_knows_every_endpoint_and_its_fields(app: Any, client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert app.decisions.door.endpoints.keys() <= document["paths"].keys()
    for path in app.decisions.door.endpoints:
        assert {"200", "413", "422", "503"} <= document["paths"][path]["post"]["responses"].keys()
    amount = document["components"]["schemas"][FRAUD]["properties"]["amount"]
    assert (amount["type"], amount["minimum"]) == ("number", 0)
    assert json.dumps(document)


async def _moment() -> None:
    import asyncio

    await asyncio.sleep(0.01)
