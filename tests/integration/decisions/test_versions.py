"""Versions come and go under load, and what is served stays served whatever becomes of its source."""

from pathlib import Path

import pytest

from local.platform import Platform
from tests.integration.decisions.conftest import EXAMPLE, FRAUD, Api, load, until
from tests.integration.decisions.registry import RegistryFiller

EXPERIMENT = """
[[experiments]]
name = "trial"
model = "fraud_detection_model"
kind = "{kind}"
share = {share}
"""


def test_reload_canary_split_and_rollback_under_load_give_no_error(
    api: Api, filler: RegistryFiller, experiments: Path
) -> None:
    with load(api) as running:
        until(lambda: running.of(1, "champion") > 20)
        filler.point(FRAUD, "challenger", 2)
        experiments.write_text(EXPERIMENT.format(kind="canary", share=0.2))
        until(lambda: running.of(2, "canary") > 20)
        experiments.write_text(EXPERIMENT.format(kind="split", share=0.5))
        until(lambda: running.of(2, "challenger") > 20)
        filler.point(FRAUD, "champion", 2)
        filler.forget(FRAUD, "challenger")
        until(lambda: running.of(2, "champion") > 20)
        filler.point(FRAUD, "champion", 1)
        before = running.of(1, "champion")
        until(lambda: running.of(1, "champion") > before + 20)
    assert running.errors == []


def test_a_damaged_version_and_an_alias_that_is_gone_leave_the_last_good_one(api: Api, filler: RegistryFiller) -> None:
    (damaged,) = [one for one in filler.artifacts.rglob("trees.npz") if _is_of_the_third(one, filler)]
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    filler.point(FRAUD, "champion", 3)
    until(lambda: "champion of fraud_detection_model is not taken: version 3" in api.detail())
    assert api.predict()["version"] == 1
    assert 'api_model_reload_failures_total{alias="champion",model="fraud_detection_model"} 1.0' in _metrics(api)
    filler.forget(FRAUD, "champion")
    until(lambda: "no version bears the alias" in api.detail())
    assert api.predict()["version"] == 1
    damaged.write_bytes(content)


def _is_of_the_third(file: Path, filler: RegistryFiller) -> bool:
    found = filler.client.get("/api/2.0/mlflow/model-versions/get", params={"name": FRAUD, "version": "3"}).json()
    return found["model_version"]["run_id"] in file.parts


def _metrics(api: Api) -> str:
    return api.client.get("/metrics").text


def test_without_mlflow_answers_go_on_and_a_new_start_serves_the_same(
    api: Api, filler: RegistryFiller, platform: Platform
) -> None:
    api.kill()
    api.env["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    api.start()
    assert api.predict()["version"] == 1
    assert "MLflow does not answer; the last good versions stay" in api.detail()
    assert "api_model_registry_up 0.0" in _metrics(api)


def test_without_mlflow_and_a_cache_a_start_says_what_to_do(api: Api, tmp_path: Path) -> None:
    api.kill()
    api.env |= {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MODEL_CACHE_DIR": str(tmp_path / "empty")}
    api.start()
    response = api.client.post("/predict", json=EXAMPLE)
    assert response.status_code == 503
    assert "MLflow does not answer. Train it (`make train`)" in response.json()["detail"]
    decided = api.client.post("/api/decisioning/auth", json={"amount": 12.5, "issuer_country": "KP"}).json()
    assert (decided["decision"], decided["model"]) == ("decline", "none")
    assert api.answers("/health/ready")


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1, 200), (10_000, 200), (10_001, 422), (100_001, 422)])
def test_a_batch_is_answered_or_refused_and_others_get_their_turn(api: Api, count: int, status: int) -> None:
    rows = [{"amount": 12.5}] * count
    with load(api, threads=1) as running:
        response = api.client.post("/predict/batch", json={"rows": rows})
    assert response.status_code == status
    assert running.errors == []
    if status == 200:
        assert response.json()["rows"] == count


def test_ten_megabytes_are_refused(api: Api) -> None:
    assert api.client.post("/predict/batch", content=b" " * 10_000_000).status_code == 413
    assert api.predict()["version"] == 1
