"""The API as a process over real MLflow, Kafka and Postgres, with registered models."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.platform import Platform
from local.ports import Ports
from local.repository import ROOT
from ml.features.definitions import DEFINITIONS
from serving.decisions.requests import PREDICTIONS
from tests import served_forms
from tests.integration.decisions.registry import RegistryFiller

FRAUD = "fraud_detection_model"
EXAMPLE = PREDICTIONS[FRAUD].example


@dataclass
class Api:
    """One process of the API. `env`: what it was started with."""

    env: dict[str, str]
    client: httpx.Client
    popen: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.popen = subprocess.Popen([sys.executable, "-m", "serving"], cwd=ROOT, env={**os.environ, **self.env})
        until(lambda: self.answers("/health/live"), 60)

    def answers(self, path: str) -> bool:
        try:
            return self.client.get(path).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        assert self.popen is not None
        self.popen.terminate()
        self.popen.wait(20)

    def kill(self) -> None:
        assert self.popen is not None
        self.popen.kill()
        self.popen.wait()

    def predict(self, **changed: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.client.post("/predict", json={**EXAMPLE, **changed}).raise_for_status().json()
        return found

    def detail(self) -> str:
        """What health says of the models."""
        return str(self.client.get("/health").json()["dependencies"]["models"]["detail"])


@dataclass
class Load:
    """Requests one after the other from several threads until it is told to stop, and what was answered."""

    url: str
    answers: Counter[tuple[int, int, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, thread: int) -> None:
        with httpx.Client(base_url=self.url, timeout=20) as client:
            user = thread * 1_000_000
            while not self._stop.is_set():
                user += 1
                try:
                    response = client.post("/predict", json={**EXAMPLE, "user_id": user})
                    found = response.json()
                    self.answers[(response.status_code, found.get("version"), found.get("arm"))] += 1
                except (httpx.HTTPError, ValueError) as error:
                    self.failures.append(repr(error))

    def stop(self) -> None:
        self._stop.set()

    def of(self, version: int, arm: str) -> int:
        return self.answers[(200, version, arm)]

    @property
    def errors(self) -> list[Any]:
        return [*self.failures, *(key for key in self.answers if key[0] != 200)]


@contextmanager
def load(api: Api, threads: int = 3) -> Iterator[Load]:
    """Ask while the block runs."""
    running = Load(str(api.client.base_url))
    asking = [threading.Thread(target=running.ask, args=(number,)) for number in range(threads)]
    for one in asking:
        one.start()
    try:
        yield running
    finally:
        running.stop()
        for one in asking:
            one.join()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition; fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture(scope="package")
def filler(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryFiller]:
    """One version of every model, and three of fraud: the second is another, the third a copy to be damaged."""
    platform.start("mlflow")
    root = tmp_path_factory.mktemp("forms")
    with httpx.Client(base_url=platform.env["MLFLOW_TRACKING_URI"], timeout=30) as client:
        found = RegistryFiller(client, platform.data / "mlflow" / "artifacts")
        for model in DEFINITIONS:
            served_forms.write(model, root / model)
            assert found.register(model, root / model) == 1
            found.point(model, "champion", 1)
        served_forms.write(FRAUD, root / "another", seed=2)
        assert found.register(FRAUD, root / "another") == 2
        assert found.register(FRAUD, root / FRAUD) == 3
        yield found


@pytest.fixture
def experiments(tmp_path: Path) -> Path:
    file = tmp_path / "experiments.toml"
    file.write_text("experiments = []\n")
    return file


@pytest.fixture
def api(platform: Platform, filler: RegistryFiller, tmp_path: Path, experiments: Path) -> Iterator[Api]:
    """Started, with all five champions."""
    platform.start("postgres", "migrate", "init")
    filler.point(FRAUD, "champion", 1)
    port = Ports.free().api
    env = {
        "DATABASE_URL": platform.env["DATABASE_URL"],
        "KAFKA_BOOTSTRAP_SERVERS": platform.env["KAFKA_BOOTSTRAP_SERVERS"],
        "MLFLOW_TRACKING_URI": platform.env["MLFLOW_TRACKING_URI"],
        "MODEL_CACHE_DIR": str(tmp_path / "cache"),
        "API_MODEL_POLL_SECONDS": "0.2",
        "API_EXPERIMENTS_FILE": str(experiments),
        "API_PORT": str(port),
    }
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        started = Api(env, client)
        started.start()
        # A start waits for MLflow a while and no longer: on a slow machine the versions come after it.
        until(lambda: len(client.get("/health").json()["dependencies"]["models"]["detail"].split(" since ")) == 6, 60)
        yield started
        started.kill()
