"""Purchases that keep coming while things break, and the reckoning afterwards."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import psutil
import psycopg

from local.platform import Platform
from local.services import producer
from tests.e2e.evidence import Sources, wait_until_drained
from tests.e2e.reconciliation import reconcile

RATE = 300
FLOWING_WITHIN_S = 120.0
RECOVERED_WITHIN_S = 180.0
DRAINED_WITHIN_S = 180.0


@dataclass(frozen=True)
class Recovery:
    """What was done to the platform, and the seconds until it showed events from after that."""

    what: str
    seconds: float


@contextmanager
def under_load(platform: Platform, seed: int) -> Iterator[None]:
    """Purchases at RATE during the block; after it everything is drained and every account must agree."""
    start_producer(platform, seed)
    wait_until(lambda: newest_event_age(platform) < 10, FLOWING_WITHIN_S, "the KPI never began to move")
    try:
        yield
    finally:
        platform.stop("producer")
    wait_until_drained(Sources.of(platform), DRAINED_WITHIN_S)
    assert reconcile(Sources.of(platform), all_was_sent=not killed_producers(platform)) == []


def start_producer(platform: Platform, seed: int) -> None:
    """Start the simulation of this seed with a ledger of its own."""
    ledger = platform.data / "ledger" / f"simulate-{seed}-{time.time_ns()}.csv"
    arguments = ["--rate", str(RATE), "--seed", str(seed), "--ledger", str(ledger), "--no-messages"]
    platform.start_service(producer(platform.site, "producer", "simulate", *arguments))


def kill_producer(platform: Platform) -> None:
    """Kill it; from now on the ledger may name events that never left it."""
    os.kill(platform.pid("producer"), signal.SIGKILL)
    (platform.data / "producer-was-killed").touch()
    platform.stop("producer")


def killed_producers(platform: Platform) -> bool:
    """Whether any producer of this platform was killed."""
    return (platform.data / "producer-was-killed").exists()


def kill_driver(platform: Platform) -> None:
    """Kill the Python process of the stream alone."""
    os.kill(platform.pid("stream"), signal.SIGKILL)


def kill_jvm(platform: Platform) -> None:
    """Kill the Java process of the stream alone."""
    children = psutil.Process(platform.pid("stream")).children(recursive=True)
    next(child for child in children if child.name() == "java").kill()


def last_batch(platform: Platform) -> int:
    """The number of the newest batch in Postgres."""
    with psycopg.connect(platform.site.database_url("dbt"), connect_timeout=2) as connection:
        row = connection.execute("select max(batch_id) from live.progress").fetchone()
    return -1 if row is None or row[0] is None else int(row[0])


def newest_event_at(platform: Platform) -> datetime:
    """The newest event that the KPI counts, as a reader sees it; very old when it cannot be read now."""
    beginning = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        with psycopg.connect(platform.site.database_url("api"), connect_timeout=2) as connection:
            row = connection.execute("select max(newest_event_at) from gold.v_executive_kpis").fetchone()
    except psycopg.OperationalError:
        return beginning
    return beginning if row is None or row[0] is None else row[0]


def newest_event_age(platform: Platform) -> float:
    """Seconds since the newest event that the KPI counts."""
    return (datetime.now(UTC) - newest_event_at(platform)).total_seconds()


def seconds_until_shown(platform: Platform, blow: Callable[[], None]) -> float:
    """Strike, and wait until an event that happened afterwards is counted by the KPI."""
    blow()
    return seconds_until_newer(platform, datetime.now(UTC))


def seconds_until_newer(platform: Platform, moment: datetime) -> float:
    """Wait until an event from after the moment is counted by the KPI."""
    began = time.monotonic()
    wait_until(lambda: newest_event_at(platform) > moment, RECOVERED_WITHIN_S, "the KPI stands still")
    return time.monotonic() - began


def seconds_until_api_answers(platform: Platform) -> float:
    """Wait until the API gives the KPI again."""
    began = time.monotonic()
    wait_until(lambda: _api_answers(platform), RECOVERED_WITHIN_S, "the API does not answer")
    return time.monotonic() - began


def wait_until(is_so: Callable[[], bool], within: float, complaint: str) -> None:
    """Ask again and again. Raises AssertionError with the complaint when the time is over."""
    deadline = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < deadline, f"{complaint} within {within:.0f} s"
        time.sleep(0.1)


def _api_answers(platform: Platform) -> bool:
    try:
        return httpx.get(f"{platform.site.api}/api/analytics/kpis", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
