"""Which schema each id in a message header stands for: asked of the registry once, then kept beside the checkpoint.

An id never changes its meaning, so what was learned survives a restart while the registry is away.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from domain.contracts import Channel

_TIMEOUT_SECONDS = 10.0


class RegistryAway(ConnectionError):
    """The registry cannot be asked right now."""


@dataclass
class Schemas:
    """Schema texts by id, per topic."""

    url: str
    folder: Path
    _unknown: set[int] = field(default_factory=set)

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

    def is_new(self, topic: Channel, schema_id: int) -> bool:
        """Whether an id that was not known when the stream started has been registered for the topic since.

        Raises RegistryAway when that cannot be told now.
        """
        if schema_id in self._unknown:
            return False
        if schema_id in self._registered(topic):
            return True
        self._unknown.add(schema_id)
        return False

    def _registered(self, topic: Channel) -> dict[int, str]:
        versions = self._get(f"/subjects/{topic.subject}/versions") or []
        found = [self._get(f"/subjects/{topic.subject}/versions/{version}") for version in versions]
        return {int(row["id"]): row["schema"] for row in found if row}

    def _get(self, path: str) -> Any:
        """The JSON answer, or None for 404."""
        try:
            answer = httpx.get(self.url + path, timeout=_TIMEOUT_SECONDS)
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
