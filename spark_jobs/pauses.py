"""Waiting for a neighbour that is away, without losing anything and without keeping a stop waiting."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import Counter

log = logging.getLogger("stream")

RETRIES = Counter("stream_retries_total", "Attempts that failed and were made again.", ["dependency"])

_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 15.0

Result = TypeVar("Result")


class Stopped(Exception):
    """The stream was told to stop while it waited."""


@dataclass
class Pauses:
    """Growing pauses between attempts, ended at once by a stop."""

    stop: threading.Event
    next_seconds: float = _FIRST_SECONDS

    def after(self, dependency: str, error: Exception) -> None:
        """Say what failed and wait; raises Stopped when told to stop meanwhile."""
        RETRIES.labels(dependency).inc()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning("%s: %s. Nothing is lost; trying again in %.1f s", dependency, reason, self.next_seconds)
        if self.stop.wait(self.next_seconds):
            raise Stopped
        self.next_seconds = min(self.next_seconds * 2, _LONGEST_SECONDS)


def insist(
    stop: threading.Event,
    dependency: str,
    away: type[Exception],
    act: Callable[[], Result],
    first_seconds: float = _FIRST_SECONDS,
) -> Result:
    """Repeat an idempotent act until it succeeds; raises Stopped when told to stop, and any other error as it is."""
    pauses = Pauses(stop, first_seconds)
    while True:
        try:
            return act()
        except away as error:
            pauses.after(dependency, error)
