"""Work done once for all who want it at the same time: many readers of one dashboard ask the same questions."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_KEPT = 64
"""Answers, of a thousand rows each at most: some 40 MB if all were as long as can be."""


class SharedCall(Generic[T]):
    """A call without arguments: who comes while it runs gets its result, also a failure. Nothing is kept."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._running is None or self._running.done():
            self._running = _begin(self._call)
        return await asyncio.shield(self._running)


@dataclass(frozen=True)
class Answer:
    """A reply as it is sent."""

    body: bytes
    rows: int
    compressed: bytes | None = None
    """The body in gzip; None where that would not be worth it."""


class Answers:
    """Answers by what was asked over which batch: while no new one comes, each is made once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, asyncio.Task[Answer]] = OrderedDict()

    async def get(self, key: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer under this key, made now unless it is there or on its way; a failure is not kept."""
        task = self._kept.get(key)
        if task is None or _has_failed(task):
            task = self._kept[key] = _begin(make)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return await asyncio.shield(task)


def _begin(make: Callable[[], Awaitable[T]]) -> "asyncio.Task[T]":
    """A task that goes on when the one who began it hangs up, for others may wait for it."""

    async def run() -> T:
        return await make()

    task = asyncio.create_task(run())
    task.add_done_callback(_look)
    return task


def _look(task: "asyncio.Task[T]") -> None:
    """Fetch the exception, which asyncio would report as lost when nobody waits any more."""
    if not task.cancelled():
        task.exception()


def _has_failed(task: "asyncio.Task[T]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
