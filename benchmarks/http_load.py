"""Load on one HTTP endpoint, from a process of its own: as fast as it answers, or at a rate whether it answers or not.

`python -m benchmarks.http_load URL --bodies FILE --seconds 30 --connections 32 [--rate 1000]` prints a line of JSON. In
the open loop a request's time counts from when it was due, so that a stall is not left out of the figures of those who
waited behind it (coordinated omission).
"""

import asyncio
import json
import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import urlparse

import numpy as np
import typer
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
DRAIN_SECONDS = 10.0
"""For answers that are still under way when the time is over."""


class Load:
    """What is sent, and what came back. `rate`: requests per second, 0 for as many as are answered."""

    def __init__(self, requests: Sequence[bytes], seconds: float, rate: float) -> None:
        self.requests = cycle(requests)
        self.rate = rate
        self.seconds = seconds
        self.began = time.perf_counter()
        self.until = self.began + seconds
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.waiting: deque[float] = deque()
        self.free: deque[Connection] = deque()
        self.sent = 0
        self.ended = self.began
        """When the last answer came: what comes after the time is over counts, and so does the time it took."""

    def finished(self, status: int, due: float) -> None:
        """An answer came."""
        self.statuses[status] += 1
        self.ended = time.perf_counter()
        self.times.append(self.ended - due)

    def turn(self, connection: "Connection") -> None:
        """A connection has nothing to do."""
        now = time.perf_counter()
        if self.rate:
            if self.waiting:
                connection.ask(next(self.requests), self.waiting.popleft())
            else:
                self.free.append(connection)
        elif now < self.until:
            connection.ask(next(self.requests), now)

    async def keep_rate(self) -> None:
        """Send what is due, over a free connection or as soon as one is."""
        number = 0
        while (due := self.began + number / self.rate) < self.until:
            if due > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            number += 1
            if self.free:
                # The one that waits longest: a server closes connections that nobody uses.
                self.free.popleft().ask(next(self.requests), due)
            else:
                self.waiting.append(due)

    def figures(self) -> dict[str, object]:
        """As JSON: counts, and times in milliseconds."""
        times = np.array(self.times) * 1000
        shares = (50, 95, 99, 99.9)
        found = dict(zip(map(str, shares), np.percentile(times, shares).tolist(), strict=True)) if len(times) else {}
        answered = sum(count for status, count in self.statuses.items() if status == 200)
        return {
            "requests_per_s": answered / max(self.seconds, self.ended - self.began),
            "answered": answered,
            # Those that were due and found no free connection are as unanswered as those that were sent.
            "unanswered": self.sent - len(self.times) + len(self.waiting),
            "errors": {str(status): count for status, count in self.statuses.items() if status != 200} | self.errors,
            **{f"p{share}_ms": value for share, value in found.items()},
            "max_ms": float(times.max()) if len(times) else None,
        }


class Connection(asyncio.Protocol):
    """One connection with one request at a time on it."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.due = 0.0
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.load.turn(self)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at this time."""
        assert self.transport is not None
        self.due, self.is_busy = due, True
        self.load.sent += 1
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self.buffer, 0, head + 2)
        if length is None or len(self.buffer) < head + 4 + int(length[1]):
            return
        status = int(self.buffer[9:12])
        self.buffer, self.is_busy = b"", False
        self.load.finished(status, self.due)
        self.load.turn(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.is_busy:
            self.load.errors["connection lost"] += 1
        elif self in self.load.free:
            self.load.free.remove(self)


def requests_of(url: str, bodies: Sequence[bytes]) -> list[bytes]:
    """A POST of each body."""
    parsed = urlparse(url)
    head = f"POST {parsed.path} HTTP/1.1\r\nHost: {parsed.netloc}\r\nContent-Type: application/json\r\n"
    return [head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies]


async def run(url: str, bodies: Sequence[bytes], seconds: float, connections: int, rate: float) -> dict[str, object]:
    """Ask for so long; returns the figures."""
    parsed = urlparse(url)
    loop = asyncio.get_running_loop()
    load = Load(requests_of(url, bodies), seconds, rate)
    host, port = parsed.hostname or "127.0.0.1", parsed.port or 80
    made = [await loop.create_connection(lambda: Connection(load), host, port) for _ in range(connections)]
    await (load.keep_rate() if rate else asyncio.sleep(seconds))
    deadline = time.perf_counter() + DRAIN_SECONDS
    while any(one.is_busy for _, one in made) and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    for transport, one in made:
        one.is_busy = False
        transport.close()
    return load.figures()


def main(
    url: str,
    bodies: Annotated[Path, typer.Option(help="A JSON document per line, taken in turn.")],
    seconds: Annotated[float, typer.Option(min=0)] = 30.0,
    connections: Annotated[int, typer.Option(min=1)] = 32,
    rate: Annotated[float, typer.Option(min=0, help="Requests per second; 0: as many as are answered.")] = 0.0,
) -> None:
    """Ask, and print what came back as JSON."""
    documents = bodies.read_bytes().splitlines()
    typer.echo(json.dumps(uvloop.run(run(url, documents, seconds, connections, rate))))


if __name__ == "__main__":
    typer.run(main)
