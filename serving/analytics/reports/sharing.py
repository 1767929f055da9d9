"""Work done once for all who want it at the same time: many readers of one dashboard ask the same questions."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from time import monotonic
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


class Answers(Generic[T]):
    """Answers by what was asked: each is made once, for all who ask meanwhile and for `seconds` from then on."""

    def __init__(
        self, most: int = MOST_KEPT, seconds: float = math.inf, is_kept: Callable[[T], bool] = lambda _: True
    ) -> None:
        """Keeps at most so many, of those that `is_kept` approves of; no failure is kept."""
        self._most = most
        self._seconds = seconds
        self._is_kept = is_kept
        self._places: OrderedDict[Hashable, _Place[T]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The answer under this key, made now unless it is there or on its way."""
        place = self._places.get(key)
        if place is None or not self._is_good(place):
            place = self._places[key] = _Place(monotonic() + self._seconds, _begin(make))
            self._let_go()
        self._places.move_to_end(key)
        return place.task.result() if place.task.done() else await asyncio.shield(place.task)

    def _is_good(self, place: "_Place[T]") -> bool:
        if not place.task.done():
            return True
        return monotonic() < place.until and not _has_failed(place.task) and self._is_kept(place.task.result())

    def _let_go(self) -> None:
        """Those that were asked for longest ago, where they are too many or of no use any more."""
        while len(self._places) > self._most or not self._is_good(next(iter(self._places.values()))):
            self._places.popitem(last=False)


@dataclass(frozen=True)
class _Place(Generic[T]):
    """An answer, or its making, and until when it may be given."""

    until: float
    task: "asyncio.Task[T]"


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
