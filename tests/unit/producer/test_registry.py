"""The registry's client, against a small server that answers as the registry does."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from domain.contracts import channels
from producer.errors import ProducerError
from producer.registry import SchemaRegistry
from producer.topics import register_schemas


class FakeRegistry(ThreadingHTTPServer):
    """Keeps schemas and levels; `failures` answers 503 that many times, `refuses` answers 409 to new versions."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str]] = []
        self.levels: dict[str, str] = {}
        self.schemas: list[str] = []
        self.failures = 0
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/apis/ccompat/v7"

    def answer(self, method: str, path: str, body: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.calls.append((method, path))
        if self.failures:
            self.failures -= 1
            return 503, {"message": "starting"}
        match path.removeprefix("/apis/ccompat/v7").strip("/").split("/"):
            case ["config", subject]:
                self.levels[subject] = body["compatibility"]
                return 200, body
            case ["subjects", _, "versions"]:
                return self._register(body["schema"])
            case ["schemas", "ids", number] if int(number) <= len(self.schemas):
                return 200, {"schema": self.schemas[int(number) - 1]}
        return 404, {"message": "unknown"}

    def _register(self, schema: str) -> tuple[int, dict[str, object]]:
        if self.refuses:
            return 409, {"message": "field amount was removed"}
        if schema not in self.schemas:
            self.schemas.append(schema)
        return 200, {"id": self.schemas.index(schema) + 1}


class Handler(BaseHTTPRequestHandler):
    server: FakeRegistry

    def _handle(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        status, answer = self.server.answer(self.command, self.path, body)
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_PUT = do_POST = _handle

    def log_message(self, *args: object) -> None:
        """Be silent."""


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    server = FakeRegistry()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def registry(server: FakeRegistry) -> Iterator[SchemaRegistry]:
    registry = SchemaRegistry(server.url, say=lambda _: None, wait_seconds=5.0, pause_seconds=0.01)
    yield registry
    registry.close()


def test_the_compatibility_of_a_subject_is_set_before_its_schema(
    server: FakeRegistry, registry: SchemaRegistry
) -> None:
    ids = register_schemas(registry)

    assert set(ids) == set(channels())
    assert server.levels == {topic.subject: "FULL" for topic in channels().values()}
    for topic in channels().values():
        base = "/apis/ccompat/v7"
        level = server.calls.index(("PUT", f"{base}/config/{topic.subject}"))
        assert level < server.calls.index(("POST", f"{base}/subjects/{topic.subject}/versions"))


def test_registering_twice_gives_the_same_ids(registry: SchemaRegistry) -> None:
    assert register_schemas(registry) == register_schemas(registry)


def test_a_schema_is_found_by_its_id(registry: SchemaRegistry) -> None:
    assert registry.schema_of(registry.register("s", '"string"')) == '"string"'


def test_an_incompatible_schema_is_a_plain_error(server: FakeRegistry, registry: SchemaRegistry) -> None:
    server.refuses = True

    with pytest.raises(ProducerError, match=r"incompatible.*field amount was removed"):
        register_schemas(registry)


def test_an_unknown_id_is_a_plain_error(registry: SchemaRegistry) -> None:
    with pytest.raises(ProducerError, match="404"):
        registry.schema_of(99)


def test_a_registry_that_is_starting_is_waited_for(server: FakeRegistry, registry: SchemaRegistry) -> None:
    server.failures = 1

    assert registry.register("s", '"string"') == 1


def test_a_registry_that_stays_away_is_given_up_with_advice() -> None:
    absent = SchemaRegistry(
        "http://127.0.0.1:1/apis/ccompat/v7", say=lambda _: None, wait_seconds=0.01, pause_seconds=0.01
    )

    with pytest.raises(ProducerError, match="SCHEMA_REGISTRY_URL"):
        absent.register("s", '"string"')
