"""One reader of the KPIs for every listener of the live stream."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from serving.analytics.errors import StoreUnavailable
from serving.analytics.models import Freshness, Kpi, Pulse, Window

log = logging.getLogger(__name__)

HISTORY = 300
"""Pulses kept, so that a page that opens can draw the last minutes at once."""


@dataclass(frozen=True)
class Snapshot:
    """What one reading brought: the figures, or the reason why there are none."""

    number: int
    kpis: dict[Window, Kpi]
    pulse: Pulse | None
    failure: StoreUnavailable | None = None


class KpiFeed:
    """Reads the KPIs every `interval` seconds and wakes whoever listens. Slow listeners skip readings."""

    def __init__(
        self, read: Callable[[], Awaitable[dict[Window, Kpi]]], now: Callable[[], datetime], interval: float
    ) -> None:
        self.read = read
        self.now = now
        self.interval = interval
        self.history: deque[Pulse] = deque(maxlen=HISTORY)
        self.latest: Snapshot | None = None
        self.listeners = 0
        self.closed = False
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin reading in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="kpi-feed")

    async def close(self) -> None:
        """Stop reading and let every listener end."""
        self.closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        async with self._changed:
            self._changed.notify_all()

    def freshness(self) -> Freshness | None:
        """How far the latest figures reach; None before any could be read."""
        kpis = self.latest.kpis if self.latest else {}
        return next(iter(kpis.values()), None)

    async def snapshots(self) -> AsyncIterator[Snapshot]:
        """The latest reading at once, then each new one, until the feed is closed."""
        self.listeners += 1
        seen = 0
        try:
            while (snapshot := await self._newer_than(seen)) is not None:
                seen = snapshot.number
                yield snapshot
        finally:
            self.listeners -= 1

    async def _newer_than(self, seen: int) -> Snapshot | None:
        async with self._changed:
            while not self.closed and (self.latest is None or self.latest.number <= seen):
                await self._changed.wait()
        return None if self.closed else self.latest

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.tick()
            if self.closed:  # the cancellation may have been lost while a connection was being waited for
                return
            await asyncio.sleep(max(0.0, began + self.interval - loop.time()))

    async def tick(self) -> None:
        """Read once and tell the listeners."""
        number = self.latest.number + 1 if self.latest else 1
        snapshot = await self._reading(number)
        if snapshot.pulse is not None:
            self.history.append(snapshot.pulse)
        async with self._changed:
            self.latest = snapshot
            self._changed.notify_all()

    async def _reading(self, number: int) -> Snapshot:
        try:
            kpis = await self.read()
        except StoreUnavailable as failure:
            return Snapshot(number, {}, None, failure)
        except Exception:
            log.exception("reading the KPIs failed")
            return Snapshot(number, {}, None, StoreUnavailable("The KPIs could not be read; see the service's log."))
        total = kpis.get(Window.ALL_TIME)
        pulse = Pulse(at=self.now(), attempts=total.attempts, approved=total.approved) if total else None
        return Snapshot(number, kpis, pulse)
