"""Writers in processes of their own append to one table at once, in a folder and in an object store.

Some are killed and run again. In the end the table holds each batch of each writer once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.cluster import BUCKET, STORE_KEYS, object_store
from local.platform import Platform
from local.ports import Ports
from spark_jobs.lake import open_table

WRITERS = ("one", "two")


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """The variables that lead to an empty bucket."""
    data = Path(tempfile.mkdtemp(prefix="store-"))
    with Platform(data, Ports.free()) as platform:
        port = platform.site.ports.api
        platform.start_service(object_store(port))
        endpoint = f"http://127.0.0.1:{port}"
        httpx.put(f"{endpoint}/{BUCKET}").raise_for_status()
        yield {"LAKE_S3_ENDPOINT": endpoint, **STORE_KEYS}
    shutil.rmtree(data)


def test_in_a_folder(tmp_path: Path) -> None:
    append_at_once(str(tmp_path), 200, {})
    assert_each_once(str(tmp_path), 200)


def test_in_an_object_store(store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    append_at_once(f"s3://{BUCKET}/tables", 100, store)
    assert_each_once(f"s3://{BUCKET}/tables", 100)


def append_at_once(uri: str, batches: int, env: dict[str, str]) -> None:
    """Both writers at once; one is killed on its way and begins again from its first batch."""
    running = {name: start(uri, name, batches, env) for name in WRITERS}
    time.sleep(3)
    running["two"].kill()
    running["two"].wait()
    running["two"] = start(uri, "two", batches, env)
    assert [process.wait(timeout=200) for process in running.values()] == [0, 0]


def start(uri: str, name: str, batches: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.writers", uri, name, str(batches)], env={**os.environ, **env}
    )


def assert_each_once(uri: str, batches: int) -> None:
    rows = open_table(uri, "t").to_pyarrow_table().select(["writer", "n"]).to_pylist()
    found = Counter((row["writer"], row["n"]) for row in rows)
    assert found == {(name, number): 1 for name in WRITERS for number in range(batches)}
