"""Where events go when it is not Kafka: a file of JSON lines that a person can read, or a list in a test."""

import json
from collections.abc import Callable
from typing import IO, Protocol

from producer.events import Event


class Sink(Protocol):
    """Takes events and counts what became of them."""

    acknowledged: int
    failed: int

    def offer(self, event: Event) -> bool:
        """Take one event; False when it has no room and wants to be asked again."""

    def poll(self, patience_seconds: float = 0.0) -> None:
        """Learn about deliveries, waiting at most this long for one."""

    def finish(self, patience_seconds: float) -> None:
        """Wait for what is on its way, at most this long, and give the rest up as failed."""

    def state(self) -> str:
        """A remark for the progress line, empty when all is well."""


class JsonLinesSink:
    """Writes `{"topic": …, "kind": …, "value": {…}}` per event; a damaged event shows the record before its damage."""

    def __init__(self, file: IO[str]) -> None:
        self.acknowledged = 0
        self.failed = 0
        self._write: Callable[[str], int] = file.write

    def offer(self, event: Event) -> bool:
        """Write one line."""
        line = {"topic": event.topic, "kind": event.kind, "key": event.key, "value": event.record}
        self._write(json.dumps(line, ensure_ascii=False) + "\n")
        self.acknowledged += 1
        return True

    def poll(self, patience_seconds: float = 0.0) -> None:
        """Nothing is ever on its way."""

    def finish(self, patience_seconds: float) -> None:
        """Nothing is ever on its way."""

    def state(self) -> str:
        """Always well."""
        return ""
