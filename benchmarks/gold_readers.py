"""Many readers of the analytics API at once, each at its own pace, for a bounded time."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np

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
    is made.
    """
    return asyncio.run(_read(url, readers, seconds, pause, key, seed))


async def _read(url: str, readers: int, seconds: float, pause: float, key: str, seed: int) -> Seen:
    seen = Seen()
    limits = httpx.Limits(max_connections=readers, max_keepalive_connections=readers)
    headers = {"X-API-Key": key} if key else {}
    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=TIMEOUT_S, headers=headers) as client:
        turns = [_reader(client, seen, began + seconds, pause, random.Random(seed + one)) for one in range(readers)]
        await asyncio.gather(*turns)
    seen.seconds = time.perf_counter() - began
    return seen


async def _reader(client: httpx.AsyncClient, seen: Seen, until: float, pause: float, random_: random.Random) -> None:
    names = [*ENDPOINTS, FLOOR]
    await asyncio.sleep(random_.uniform(0, min(pause, max(until - time.perf_counter(), 0))))
    while time.perf_counter() < until:
        for name in random_.sample(names, len(names)):
            if time.perf_counter() >= until:
                return
            await _ask(client, name, seen)
            await asyncio.sleep(random_.uniform(0, 2 * pause))


async def _ask(client: httpx.AsyncClient, name: str, seen: Seen) -> None:
    began = time.perf_counter()
    try:
        reply = await client.get(ENDPOINTS.get(name, name))
    except httpx.HTTPError as error:
        seen.errors[f"{name}: {type(error).__name__}"] += 1
        return
    if reply.status_code == 200:
        seen.answers[name].append((time.perf_counter() - began) * 1000)
    else:
        seen.errors[f"{name}: {reply.status_code}"] += 1


def rows(seen: Seen, names: Sequence[str] = ("p50_ms", "p95_ms", "p99_ms", "max_ms")) -> list[list[object]]:
    """A row per endpoint for a table: name, answers, percentiles."""
    counts = {"all": seen.count, **{name: len(taken) for name, taken in seen.answers.items()}}
    return [
        [what, counts[what], *(figures.get(name, "") for name in names)] for what, figures in seen.figures().items()
    ]
