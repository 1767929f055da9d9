"""One reader for all listeners of the live stream."""

import asyncio
from contextlib import suppress

import pytest

from serving.analytics.errors import StoreUnavailable
from serving.analytics.feed import HISTORY, KpiFeed, Snapshot
from serving.analytics.models import Kpi, Window
from tests.unit.serving.fakes import NOW, FakeAnalytics

pytestmark = pytest.mark.anyio


def feed_over(analytics: FakeAnalytics, interval: float = 60) -> KpiFeed:
    return KpiFeed(analytics.kpis, lambda: NOW, interval)


async def listen(feed: KpiFeed, heard: list[Snapshot]) -> None:
    async for snapshot in feed.snapshots():
        heard.append(snapshot)


async def test_many_listeners_cost_one_reading(analytics: FakeAnalytics) -> None:
    feed = feed_over(analytics)
    heard: list[list[Snapshot]] = [[] for _ in range(50)]
    tasks = [asyncio.create_task(listen(feed, mine)) for mine in heard]
    await asyncio.sleep(0.01)
    await feed.tick()
    await asyncio.sleep(0.01)
    assert (analytics.readings, [len(mine) for mine in heard]) == (1, [1] * 50)
    assert feed.listeners == 50
    await feed.close()
    await asyncio.gather(*tasks)
    assert feed.listeners == 0


async def test_a_newcomer_gets_the_latest_reading_at_once(analytics: FakeAnalytics) -> None:
    feed = feed_over(analytics)
    await feed.tick()
    assert (await anext(feed.snapshots())).number == 1


async def test_a_slow_listener_skips_to_the_latest_reading(analytics: FakeAnalytics) -> None:
    feed = feed_over(analytics)
    await feed.tick()
    snapshots = feed.snapshots()
    await anext(snapshots)
    for _ in range(5):
        await feed.tick()
    assert (await anext(snapshots)).number == 6


async def test_a_failed_reading_is_told_and_the_next_one_heals_it(analytics: FakeAnalytics) -> None:
    feed = feed_over(analytics)
    analytics.failure = StoreUnavailable("gone")
    await feed.tick()
    assert feed.latest is not None
    assert isinstance(feed.latest.failure, StoreUnavailable)
    assert feed.freshness() is None
    analytics.failure = None
    await feed.tick()
    assert feed.latest.failure is None
    assert feed.freshness() is not None


async def test_an_unexpected_error_does_not_end_the_reading(analytics: FakeAnalytics) -> None:
    feed = feed_over(analytics, interval=0.005)
    analytics.failure = RuntimeError("a bug")
    feed.start()
    await asyncio.sleep(0.03)
    assert analytics.readings > 1
    assert feed.latest is not None
    assert "a bug" not in str(feed.latest.failure)
    await feed.close()


async def test_history_is_bounded(analytics: FakeAnalytics) -> None:
    feed = feed_over(analytics)
    for _ in range(HISTORY + 5):
        await feed.tick()
    assert len(feed.history) == HISTORY


async def test_closing_ends_also_when_a_reading_swallows_its_cancellation() -> None:
    async def read() -> dict[Window, Kpi]:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return {}

    feed = KpiFeed(read, lambda: NOW, interval=60)
    feed.start()
    await asyncio.sleep(0.01)
    await asyncio.wait_for(feed.close(), 1)
