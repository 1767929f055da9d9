"""Whatever the OpenAPI document allows or forbids, the running API keeps to it: Schemathesis asks, over a real socket.

API_FUZZ_SECONDS says how long; `make test-api-fuzz` takes minutes. Its output has a `curl` command for what it found.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from local.ports import Ports
from local.repository import ROOT
from ml.features.definitions import DEFINITIONS
from serving.decisions.cache import Cache
from serving.decisions.registry import Registered
from tests import served_forms
from tests.integration.serving.test_main import wait_until_ready
from tests.integration.serving.test_reports import ALL, fill

SECONDS = int(os.environ.get("API_FUZZ_SECONDS", "15"))
# A cursor is any text to the document, and one of our own to the API: that valid data are accepted cannot be asked.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.fixture
def url(api_url: str, superuser: psycopg.Connection, tmp_path: Path) -> Iterator[str]:
    for report in ALL:
        fill(superuser, report)
    address = f"http://127.0.0.1:{Ports.free().api}"
    models = with_models(tmp_path / "models")
    port = address.rsplit(":", 1)[1]
    env = {**os.environ, "DATABASE_URL": api_url, "API_PORT": port, "MODEL_CACHE_DIR": str(models)}
    with (
        (tmp_path / "api.log").open("w") as log,
        subprocess.Popen([sys.executable, "-m", "serving"], cwd=ROOT, env=env, stdout=log, stderr=log) as api,
    ):
        wait_until_ready(address)
        yield address
        api.terminate()


def with_models(folder: Path) -> Path:
    """A folder as a process leaves it that served a champion of every model: without any, decisions are 503."""
    cache = Cache(folder)
    champions = {model: Registered(model, 1, "1-of-the-test") for model in DEFINITIONS}
    for model, champion in champions.items():
        served_forms.write(model, cache.folder(champion))
    cache.remember({model: {"champion": champion} for model, champion in champions.items()})
    return folder


def test_the_api_keeps_to_its_document(url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            f"{url}/openapi.json",
            "--phases=examples,coverage,fuzzing",
            f"--checks={','.join(CHECKS)}",
            f"--max-time={SECONDS}",
            "--seed=1",
            "--request-timeout=20",
            "--warnings=off",
            "--no-color",
            # It never ends.
            "--exclude-path-regex=/stream$",
        ],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS * 3 + 120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{(tmp_path / 'api.log').read_text()[-2000:]}"
    assert httpx.get(f"{url}/health/ready").status_code == 200
