"""MLflow as a local process: who is answered, and that a kill loses nothing."""

from collections.abc import Iterator

import httpx
import pytest

from local.platform import Platform
from tests.integration.local.test_servers import kill_and_wait

FILE = "/api/2.0/mlflow-artifacts/artifacts/kept/note.txt"


@pytest.fixture(scope="module")
def mlflow(platform: Platform) -> Iterator[httpx.Client]:
    platform.start("mlflow")
    with httpx.Client(base_url=platform.env["MLFLOW_TRACKING_URI"], timeout=20) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("mlflow:5000", 200),
        ("mlflow", 200),
        ("localhost:5002", 200),
        ("127.0.0.1:5002", 200),
        ("elsewhere.example", 403),
        ("elsewhere.example:5000", 403),
        ("mlflow.elsewhere.example", 403),
    ],
)
def test_only_those_who_ask_by_a_known_name_are_answered(mlflow: httpx.Client, host: str, status: int) -> None:
    asked = mlflow.get("/api/2.0/mlflow/experiments/search", params={"max_results": 1}, headers={"Host": host})
    assert asked.status_code == status
    assert mlflow.get("/health", headers={"Host": host}).status_code == 200, "says nothing about the host"


def test_runs_and_files_outlive_a_kill(mlflow: httpx.Client, platform: Platform) -> None:
    made = mlflow.post("/api/2.0/mlflow/experiments/create", json={"name": "kept"}).raise_for_status().json()
    mlflow.put(FILE, content=b"kept").raise_for_status()
    kill_and_wait(platform, "mlflow")
    found = mlflow.get("/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": "kept"}).raise_for_status()
    assert found.json()["experiment"]["experiment_id"] == made["experiment_id"]
    assert mlflow.get(FILE).content == b"kept"


def test_its_files_are_in_the_folder_of_the_platform(mlflow: httpx.Client, platform: Platform) -> None:
    mlflow.put(FILE, content=b"here").raise_for_status()
    assert (platform.data / "mlflow" / "artifacts" / "kept" / "note.txt").read_bytes() == b"here"
