"""The record of requests, kept off their path: a bounded queue that one task writes out in batches."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import psycopg

from serving.access.store import Asked

log = logging.getLogger(__name__)

MOST_WAITING = 20_000
MOST_AT_ONCE = 1_000
PAUSE_SECONDS = 0.5
RETRY_SECONDS = 2.0
LAST_SECONDS = 3.0
"""What is left for the last batches when the service ends."""


class Writer(Protocol):
    """Where the record is kept."""

    async def write(self, asked: Sequence[Asked]) -> None:
        """Keep these requests."""

    async def close(self) -> None:
        """Let go of what is held."""


class AuditLog:
    """Takes requests at once and writes them soon after; what does not fit while Postgres is away is counted."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.waiting: asyncio.Queue[Asked] = asyncio.Queue(MOST_WAITING)
        self.written = 0
        self.dropped = 0
        self._batch: list[Asked] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, asked: Asked) -> None:
        """Take a request; never waits."""
        try:
            self.waiting.put_nowait(asked)
        except asyncio.QueueFull:
            self.dropped += 1

    def start(self) -> None:
        """Begin writing in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="audit")

    async def close(self) -> None:
        """Write what waits, in bounded time, and stop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                while (self._batch or not self.waiting.empty()) and await self._write_batch():
                    pass
        unwritten = len(self._batch) + self.waiting.qsize()
        if unwritten:
            log.error("%d requests did not reach the audit: Postgres was away at the end", unwritten)
        await self.writer.close()

    async def _run(self) -> None:
        while True:
            if not self._batch:
                self._batch.append(await self.waiting.get())
            is_written = await self._write_batch()
            await asyncio.sleep(PAUSE_SECONDS if is_written else RETRY_SECONDS)

    async def _write_batch(self) -> bool:
        """Write the next requests; False when they must wait."""
        while len(self._batch) < MOST_AT_ONCE and not self.waiting.empty():
            self._batch.append(self.waiting.get_nowait())
        try:
            await self.writer.write(self._batch)
        except psycopg.OperationalError as error:
            log.warning("the audit waits, %d requests so far: %s", self.waiting.qsize() + len(self._batch), error)
            return False
        except psycopg.Error:
            log.exception("the audit refused %d requests; they are dropped", len(self._batch))
            self.dropped += len(self._batch)
        else:
            self.written += len(self._batch)
        self._batch = []
        return True
