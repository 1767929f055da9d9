"""Training and the registry against MLflow as a server: what `make demo` and Docker run."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.watching.reference import Reference
from tests.ml.conftest import APPROVAL

STARTS_WITHIN_S = 180


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "true"}
    process = subprocess.Popen([*command, *stores], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def ml(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ml", *arguments], capture_output=True, text=True, check=False)


def test_a_model_is_trained_registered_promoted_and_kept_on_a_server(server: str, lake: Path, tmp_path: Path) -> None:
    trained = ml("train", APPROVAL, "--lake", str(lake), "--tracking", server, "--results", str(tmp_path))
    assert trained.returncode == 0, trained.stderr
    assert "version 1 is registered as challenger" in trained.stderr

    kept = ml("reference", APPROVAL, "1", "--tracking", server)
    assert Reference.from_json(kept.stdout).model == APPROVAL
    assert json.loads(kept.stdout)["rows"] > 500

    promoted = ml("promote", APPROVAL, "--lake", str(lake), "--tracking", server)
    assert promoted.returncode == 0, promoted.stderr
    listed = ml("models", "--tracking", server)
    assert f"{APPROVAL:<28} version 1    champion" in listed.stdout


def test_a_version_that_is_not_there_is_said_in_one_line(server: str) -> None:
    asked = ml("reference", APPROVAL, "99", "--tracking", server)
    assert asked.returncode == 1
    assert "has no version 99" in asked.stderr
    assert len(asked.stderr.splitlines()) == 1


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "mlflow server ended"
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"mlflow server did not answer in {STARTS_WITHIN_S} s")
