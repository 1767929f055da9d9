"""The schema registry's three calls that a producer needs, over the Confluent-compatible API."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from producer.errors import ProducerError

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
CALL_TIMEOUT_SECONDS = 10.0


class SchemaRegistry:
    """Client of a registry at `url`; every call is bounded in time, as the registry can lose an answer."""

    def __init__(
        self, url: str, say: Callable[[str], None], wait_seconds: float = 120.0, pause_seconds: float = 1.0
    ) -> None:
        """`wait_seconds`: how long an absent registry is waited for; `pause_seconds`: between two tries."""
        self._client = httpx.Client(
            base_url=url.rstrip("/"), timeout=CALL_TIMEOUT_SECONDS, headers={"Content-Type": CONTENT_TYPE}
        )
        self._url = url
        self._say = say
        self._wait_seconds = wait_seconds
        self._pause_seconds = pause_seconds

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the level (BACKWARD, FULL, ...) that later versions of the subject are checked against."""
        self._call("PUT", f"/config/{subject}", {"compatibility": level})

    def register(self, subject: str, schema_text: str) -> int:
        """Register a schema, or find it when it is there; returns its id.

        Raises ProducerError when the registry refuses it as incompatible or malformed.
        """
        answer = self._call("POST", f"/subjects/{subject}/versions", {"schema": schema_text})
        return int(answer["id"])

    def schema_of(self, schema_id: int) -> str:
        """The text of a registered schema."""
        return str(self._call("GET", f"/schemas/ids/{schema_id}")["schema"])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        deadline = time.monotonic() + self._wait_seconds
        while True:
            response, problem = self._try(method, path, body)
            if response is not None:
                return _read(response, f"{method} {path}")
            if time.monotonic() >= deadline:
                raise ProducerError(
                    f"The schema registry at {self._url} did not answer within {self._wait_seconds:g} s ({problem}). "
                    "Start it, or set SCHEMA_REGISTRY_URL."
                )
            self._say(f"waiting for the schema registry at {self._url}: {problem}")
            time.sleep(self._pause_seconds)

    def _try(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[httpx.Response | None, str]:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.InvalidURL as error:
            raise ProducerError(f"SCHEMA_REGISTRY_URL {self._url!r} is not an address: {error}") from error
        except httpx.TransportError as error:
            return None, str(error) or type(error).__name__
        return (None, f"status {response.status_code}") if response.status_code >= 500 else (response, "")


def _read(response: httpx.Response, call: str) -> dict[str, Any]:
    if response.status_code == httpx.codes.CONFLICT:
        raise ProducerError(f"The registry refused the schema as incompatible ({call}): {_message(response)}")
    if response.is_error:
        raise ProducerError(f"The registry answered {call} with {response.status_code}: {_message(response)}")
    answer: dict[str, Any] = response.json()
    return answer


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json().get("message", response.text))
    except (ValueError, AttributeError):
        return response.text[:500]
