"""Dependency checks: concurrent, bounded in time, and shared, so that impatient probes never pile up."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, Field

log = logging.getLogger(__name__)

KEPT_SECONDS = 1.0
"""A result this young is given again instead of asking the dependency anew."""


class Status(StrEnum):
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNCHECKED = "unchecked"


class DependencyHealth(BaseModel):
    """One dependency as its check found it."""

    status: Status
    required: bool = Field(description="The service is not ready while a required dependency is down.")
    latency_ms: float = Field(description="How long the check took, milliseconds.", examples=[1.8])
    detail: str = Field(description="What was found, and what to do when it is not well.")


class HealthReply(BaseModel):
    """The whole: down when a required dependency is, degraded when anything else is not up."""

    status: Status
    dependencies: dict[str, DependencyHealth]


@dataclass(frozen=True)
class Finding:
    """What a probe found; a probe that raises means down."""

    detail: str
    status: Status = Status.UP


Probe = Callable[[], Awaitable[Finding]]


class Check:
    """One dependency's probe with its time limit; callers at the same time share one run of it."""

    def __init__(self, name: str, probe: Probe, *, required: bool, timeout: float) -> None:
        self.name = name
        self.required = required
        self._probe = probe
        self._timeout = timeout
        self._run: asyncio.Task[DependencyHealth] | None = None
        self._finished_at = float("-inf")

    async def result(self) -> DependencyHealth:
        """The state of the dependency, at most KEPT_SECONDS old."""
        finished_before = self._run is not None and self._run.done()
        if self._run is None or (finished_before and time.monotonic() - self._finished_at > KEPT_SECONDS):
            self._run = asyncio.create_task(self._measure(), name=f"check-{self.name}")
        return await asyncio.shield(self._run)

    async def _measure(self) -> DependencyHealth:
        began = time.monotonic()
        finding = await self._find()
        self._finished_at = time.monotonic()
        return DependencyHealth(
            status=finding.status,
            required=self.required,
            latency_ms=round((self._finished_at - began) * 1000, 1),
            detail=finding.detail,
        )

    async def _find(self) -> Finding:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._probe()
        except TimeoutError:
            return Finding(f"no answer within {self._timeout:g} s", Status.DOWN)
        except Exception as error:
            # Whatever the cause, health must answer; the detail and the log say what it was.
            log.info("check of %s failed: %r", self.name, error)
            return Finding(str(error) or type(error).__name__, Status.DOWN)


class Health:
    """All checks together."""

    def __init__(self, checks: list[Check]) -> None:
        self.checks = checks

    async def report(self, *, required_only: bool = False) -> HealthReply:
        """Run the checks concurrently."""
        chosen = [check for check in self.checks if check.required or not required_only]
        results = await asyncio.gather(*(check.result() for check in chosen))
        found = {check.name: result for check, result in zip(chosen, results, strict=True)}
        return HealthReply(status=_overall(results), dependencies=found)


def _overall(results: list[DependencyHealth]) -> Status:
    if any(result.required and result.status is Status.DOWN for result in results):
        return Status.DOWN
    well = (Status.UP, Status.UNCHECKED)
    return Status.UP if all(result.status in well for result in results) else Status.DEGRADED
