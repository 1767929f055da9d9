"""Challengers that answer beside the champion, after the caller has its answer."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger(__name__)

MOST_WAITING = 5_000


class ShadowQueue:
    """Scores what is handed in, one at a time between requests; what does not fit is counted."""

    name = "shadow"

    def __init__(self) -> None:
        self.written = 0
        self.dropped = 0
        self._queue: deque[Callable[[], None]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many are still to be scored."""
        return len(self._queue)

    def add(self, score: Callable[[], None]) -> None:
        """Do this soon; never waits."""
        if len(self._queue) >= MOST_WAITING:
            self.dropped += 1
            return
        self._queue.append(score)
        self._wake.set()

    def start(self) -> None:
        """Begin in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="shadows")

    async def close(self) -> None:
        """Stop; what still waits is not scored."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._queue:
                score = self._queue.popleft()
                try:
                    score()
                except Exception:
                    # A challenger that cannot answer says so in the log; the champion's callers do not feel it.
                    log.exception("a shadow could not answer")
                    self.dropped += 1
                else:
                    self.written += 1
                await asyncio.sleep(0)
            self._wake.clear()
