"""Which schema each id in a message header stands for: asked of the registry once, then kept beside the checkpoint.

An id never changes its meaning, so what was learned survives a restart while the registry is away.
"""

import json
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import httpx
from fastavro.schema import SchemaParseException, UnknownType

from domain.contracts import Channel

log = logging.getLogger("stream")

_TIMEOUT_SECONDS = 10.0
_ABSENT_SECONDS = 5.0


class RegistryAway(ConnectionError):
    """The registry cannot be asked right now."""


@dataclass
class Schemas:
    """Schema texts by id, per topic."""

    url: str
    folder: Path
    _absent: dict[int, float] = field(default_factory=dict)
    """When the registry was asked for an id in vain, by the monotonic clock."""
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=_TIMEOUT_SECONDS))
    """One for all requests: to make one takes longer than to ask."""

    def writers(self, topic: Channel) -> dict[int, str]:
        """Every schema that messages of this topic may have been written with, by id.

        Raises RegistryAway when the registry does not answer and nothing was learned of the topic before.
        """
        known = self._kept(topic)
        try:
            known |= self._registered(topic)
        except RegistryAway:
            if not known:
                raise
        self._keep(topic, known)
        return known

    def arrived(self, topic: Channel, schema_ids: Iterable[int]) -> set[int]:
        """Which ids that were not known when the stream started have been registered for the topic since.

        The registry is asked once for all of them, and not again for the same id within some seconds.
        Raises RegistryAway when that cannot be told now.
        """
        now = time.monotonic()
        doubtful = {one for one in schema_ids if now - self._absent.get(one, -_ABSENT_SECONDS) >= _ABSENT_SECONDS}
        if not doubtful:
            return set()
        found = doubtful & self._registered(topic).keys()
        self._absent |= dict.fromkeys(doubtful - found, now)
        return found

    def _registered(self, topic: Channel) -> dict[int, str]:
        versions = self._get(f"/subjects/{topic.subject}/versions") or []
        found = [self._get(f"/subjects/{topic.subject}/versions/{version}") for version in versions]
        return {int(row["id"]): row["schema"] for row in found if row and _is_readable(row)}

    def _get(self, path: str) -> Any:
        """The JSON answer, or None for 404."""
        try:
            answer = self._client.get(self.url + path)
        except httpx.TransportError as error:
            raise RegistryAway(f"schema registry {self.url} does not answer: {error}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise RegistryAway(f"schema registry {self.url}{path} answered {answer.status_code}")
        return answer.json()

    def _kept(self, topic: Channel) -> dict[int, str]:
        file = self._file(topic)
        return {int(key): text for key, text in json.loads(file.read_text()).items()} if file.exists() else {}

    def _keep(self, topic: Channel, writers: Mapping[int, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self._file(topic).with_suffix(".new")
        written.write_text(json.dumps(writers))
        written.replace(self._file(topic))

    def _file(self, topic: Channel) -> Path:
        return self.folder / f"{topic.name}.json"


def _is_readable(row: Mapping[str, Any]) -> bool:
    """Whether it is an Avro schema that stands by itself; messages of any other become dead letters, and say so."""
    try:
        fastavro.parse_schema(json.loads(row["schema"]))
    except (ValueError, SchemaParseException, UnknownType) as error:
        log.warning("schema %s of %s cannot be used: %s", row["id"], row.get("subject"), error)
        return False
    return True
