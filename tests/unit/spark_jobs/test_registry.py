"""What the stream knows of schemas when the registry is there, away, or learns something new."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from domain.contracts import topics
from spark_jobs.registry import RegistryAway, Schemas

TOPIC = topics()["payments.transactions"]


def schema(schema_id: int) -> str:
    return json.dumps({"type": "record", "name": f"Version{schema_id}", "fields": []})


class FakeRegistry:
    """A registry over HTTP that holds versions of one subject."""

    def __init__(self) -> None:
        self.versions: dict[int, dict[str, Any]] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = self.path.split("/")
                found: Any = sorted(registry.versions) if parts[-1] == "versions" else registry.versions[int(parts[-1])]
                status = 200 if registry.versions else 404
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_: Any) -> None:
                """Keep the test output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def register(self, schema_id: int) -> None:
        self.versions[len(self.versions) + 1] = {"id": schema_id, "schema": schema(schema_id)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    started = FakeRegistry()
    yield started
    started.close()


def test_every_version_of_the_subject_is_known(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.register(4)
    registry.register(9)
    assert Schemas(registry.url, tmp_path).writers(TOPIC) == {4: schema(4), 9: schema(9)}


def test_a_subject_without_versions_knows_nothing(registry: FakeRegistry, tmp_path: Path) -> None:
    assert Schemas(registry.url, tmp_path).writers(TOPIC) == {}


def test_what_was_learned_survives_a_restart_without_the_registry(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.register(4)
    Schemas(registry.url, tmp_path).writers(TOPIC)
    registry.close()
    assert Schemas(registry.url, tmp_path).writers(TOPIC) == {4: schema(4)}


def test_without_registry_and_memory_the_stream_cannot_begin(tmp_path: Path) -> None:
    with pytest.raises(RegistryAway, match="does not answer"):
        Schemas("http://127.0.0.1:1", tmp_path).writers(TOPIC)


def test_a_schema_registered_later_is_new(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.register(4)
    schemas = Schemas(registry.url, tmp_path)
    schemas.writers(TOPIC)
    registry.register(5)
    assert schemas.arrived(TOPIC, {5, 99}) == {5}


def test_an_id_that_nobody_registered_is_asked_for_once_in_a_while(
    registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    schemas = Schemas(registry.url, tmp_path)
    assert schemas.arrived(TOPIC, {5}) == set()
    registry.register(5)
    assert schemas.arrived(TOPIC, {5}) == set()
    clock[0] += 6
    assert schemas.arrived(TOPIC, {5}) == {5}


def test_whether_an_id_is_new_cannot_be_told_without_the_registry(tmp_path: Path) -> None:
    with pytest.raises(RegistryAway):
        Schemas("http://127.0.0.1:1", tmp_path).arrived(TOPIC, {99})


def test_a_schema_that_cannot_be_read_is_as_good_as_absent(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.register(4)
    registry.versions[2] = {
        "id": 5,
        "schema": '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "X"}]}',
    }
    registry.versions[3] = {"id": 6, "schema": "message Protobuf {}"}
    schemas = Schemas(registry.url, tmp_path)
    assert schemas.writers(TOPIC).keys() == {4}
    assert schemas.arrived(TOPIC, {5, 6}) == set()
