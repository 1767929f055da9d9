"""Many readers of the analytics API at once, each at its own pace, for a bounded time."""

import asyncio
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import uvloop

from benchmarks.report import percentiles

ENDPOINTS: Mapping[str, str] = {
    "kpis": "/api/analytics/kpis",
    "trends": "/api/analytics/trends",
    "declines of a window": "/api/analytics/declines",
    "solutions": "/api/analytics/solutions",
    "solutions by hour and processor": "/api/analytics/solutions?group_by=hour,processor&limit=1000",
    "geography": "/api/analytics/geography",
    "geography, one country": "/api/analytics/geography?issuer_country=DE&group_by=hour",
    "merchants": "/api/analytics/merchants",
    "merchants, all of them": "/api/analytics/merchants?limit=1000&sort=-net_usd",
    "3ds": "/api/analytics/3ds",
    "financial": "/api/analytics/financial",
    "risk": "/api/analytics/risk",
    "retry": "/api/analytics/retry",
    "system": "/api/analytics/system",
    "system by hour": "/api/analytics/system?group_by=hour,processor",
    "declines of a range": "/api/analytics/declines?group_by=decline_reason,kind",
    "alerts": "/api/analytics/alerts",
}
"""Requests by what they are called in the result; each asks for the last 24 hours."""

FLOOR = "/health/live"
"""Asks nothing of anybody: what HTTP itself costs in the same run."""
TIMEOUT_S = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Seen:
    """Milliseconds of the answers, by endpoint, and what went wrong, by its kind."""

    answers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.answers.values()))

    def figures(self) -> dict[str, dict[str, float]]:
        """p50, p95, p99 and max by endpoint, in milliseconds, and of all together."""
        by_name = {name: percentiles(np.array(taken)) for name, taken in self.answers.items()}
        everything = [one for taken in self.answers.values() for one in taken]
        return {"all": percentiles(np.array(everything)), **by_name}


def read(url: str, readers: int, seconds: float, pause: float, key: str = "", seed: int = 1) -> Seen:
    """What `readers` saw who each ask for one endpoint after the other, in an order of their own.

    Between two requests a reader waits up to twice `pause` seconds. Nothing is asked with an ETag, so that every answer
    is sent. Readers speak HTTP themselves: a client for all purposes takes more processor time than the API it asks.
    """
    return uvloop.run(_read(url, readers, seconds, pause, key, seed))


async def _read(url: str, readers: int, seconds: float, pause: float, key: str, seed: int) -> Seen:
    seen = Seen()
    began = time.perf_counter()
    lines = [Line(url, key) for _ in range(readers)]
    turns = [_reader(line, seen, began + seconds, pause, random.Random(seed + one)) for one, line in enumerate(lines)]
    try:
        await asyncio.gather(*turns)
    finally:
        for line in lines:
            line.close()
    seen.seconds = time.perf_counter() - began
    return seen


class Line:
    """A connection to the API that is kept, for one request after the other, and opened again after it broke."""

    def __init__(self, url: str, key: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        given = f"X-API-Key: {key}\r\n" if key else ""
        self._rest = f" HTTP/1.1\r\nHost: {address.netloc}\r\nAccept-Encoding: gzip\r\n{given}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str) -> int:
        """The status of the answer, once all of it is here.

        Raises OSError, EOFError, ValueError or TimeoutError when there is no whole answer.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._answer(path)
        except BaseException:
            self.close()
            raise

    async def _answer(self, path: str) -> int:
        # The server ends a line that nobody used for some seconds.
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"GET {path}{self._rest}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("an answer without its length")
        await reader.readexactly(int(length[1]))
        return int(head[9:12])

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _reader(line: Line, seen: Seen, until: float, pause: float, random_: random.Random) -> None:
    names = [*ENDPOINTS, FLOOR]
    await asyncio.sleep(random_.uniform(0, min(pause, max(until - time.perf_counter(), 0))))
    while time.perf_counter() < until:
        for name in random_.sample(names, len(names)):
            if time.perf_counter() >= until:
                return
            await _ask(line, name, seen)
            await asyncio.sleep(random_.uniform(0, 2 * pause))


async def _ask(line: Line, name: str, seen: Seen) -> None:
    began = time.perf_counter()
    try:
        status = await line.ask(ENDPOINTS.get(name, name))
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        seen.errors[f"{name}: {type(error).__name__}"] += 1
        # A server that refuses would be asked thousands of times a second.
        await asyncio.sleep(0.1)
        return
    if status == 200:
        seen.answers[name].append((time.perf_counter() - began) * 1000)
    else:
        seen.errors[f"{name}: {status}"] += 1


def rows(seen: Seen, names: Sequence[str] = ("p50_ms", "p95_ms", "p99_ms", "max_ms")) -> list[list[object]]:
    """A row per endpoint for a table: name, answers, percentiles."""
    counts = {"all": seen.count, **{name: len(taken) for name, taken in seen.answers.items()}}
    return [
        [what, counts[what], *(figures.get(name, "") for name in names)] for what, figures in seen.figures().items()
    ]
