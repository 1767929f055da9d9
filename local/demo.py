"""The demo: everything started, a little history, live purchases, and in the end an account of every event."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from local.account import Count, Found, compare, read_ledger, read_platform
from local.platform import Platform
from local.process import tail
from local.services import producer

HISTORY_DAYS = 1
HISTORY_PURCHASES = 20_000

LIVE_LINE_EVERY_S = 5.0
"""Where the output is no terminal; a terminal's line is renewed every second."""

DRAIN_WITHIN_S = 120.0
"""How long the stream may take to show everything that was sent."""

_KPI = """
    select attempts, approval_rate, extract(epoch from clock_timestamp() - newest_event_at)
    from gold.v_executive_kpis where kpi_window = 'all_time'
"""


@dataclass(frozen=True)
class Plan:
    """What a run of the demo is to do."""

    rate: int
    """Purchases per second."""
    seconds: float | None
    """Length of the live part; None lasts until Ctrl-C."""


def run(platform: Platform, plan: Plan) -> int:
    """Run the whole demo on a platform that has been entered. Returns 0 when all counts agree, else 1."""
    _prepare(platform)
    print_connections(platform)
    try:
        _simulate(platform, plan)
    except KeyboardInterrupt:
        _say("\nending: waiting until everything that was sent is visible (Ctrl-C again gives up)")
    healthy = platform.is_running("producer")
    platform.stop("producer")
    counts = settle(platform)
    _print_summary(counts)
    if not healthy:
        _say(f"the producer ended early:\n{tail(platform.log('producer'))}")
    return 0 if healthy and all(count.agrees for count in counts) else 1


def settle(platform: Platform, within: float = DRAIN_WITHIN_S) -> list[Count]:
    """Wait until the platform shows what the ledger says, at most this many seconds. Returns the last comparison.

    Counts only grow, so one that exceeds the ledger ends the wait.
    """
    sent = read_ledger(ledgers(platform))
    deadline = time.monotonic() + within
    while True:
        counts = compare(sent, _found(platform))
        is_settled = all(count.agrees for count in counts) or any(count.exceeds for count in counts)
        if is_settled or time.monotonic() > deadline:
            return counts
        time.sleep(0.5)


def ledgers(platform: Platform) -> Path:
    """The folder of the producer's ledgers."""
    return platform.data / "ledger"


def announce() -> None:
    """Say what is about to happen."""
    _say("starting the platform as local processes")


def report(name: str, seconds: float) -> None:
    """Say that a service is ready, and how long that took."""
    _say(f"  {name:16} {seconds:6.1f} s")


def print_connections(platform: Platform) -> None:
    """Say how to connect to everything that runs."""
    _say("\nconnect with")
    for name, value in platform.site.connections.items():
        _say(f"  {name}={value}")
    _say(f"logs are in {platform.data / 'logs'}\n\nlive at {platform.site.api.replace('127.0.0.1', 'localhost')}\n")


def _prepare(platform: Platform) -> None:
    platform.start("postgres", "kafka", "registry", "migrate", "init", "stream")
    stamp = int(time.time())
    history = ["--days", str(HISTORY_DAYS), "--purchases-per-day", str(HISTORY_PURCHASES)]
    file = str(ledgers(platform) / f"backfill-{stamp}.csv")
    platform.run(producer(platform.site, "backfill", "backfill", *history, "--ledger", file, one_shot=True))
    platform.start("windows", "messages", "anomalies", "dbt", "api", "dbt-repeatedly", "maintenance")
    platform.begin("mlflow")


def _simulate(platform: Platform, plan: Plan) -> None:
    file = str(ledgers(platform) / f"simulate-{int(time.time())}.csv")
    platform.start_service(producer(platform.site, "producer", "simulate", "--rate", str(plan.rate), "--ledger", file))
    _watch(platform, plan.seconds)


def _watch(platform: Platform, seconds: float | None) -> None:
    """Print the KPI as it moves, until the time is over or the producer has ended."""
    pause = 1.0 if sys.stdout.isatty() else LIVE_LINE_EVERY_S
    began = time.monotonic()
    before: tuple[float, int] | None = None
    while platform.is_running("producer") and (remaining := _remaining(began, seconds)) > 0:
        time.sleep(min(pause, remaining))
        now = time.monotonic()
        try:
            attempts, approval_rate, age = _ask_kpi(platform)
        except psycopg.Error as error:
            _say(f"the KPI cannot be read now, trying again: {str(error).splitlines()[0]}")
            continue
        speed = (attempts - before[1]) / (now - before[0]) if before else 0.0
        _print_live(now - began, attempts, approval_rate, speed, age)
        before = (now, attempts)


def _remaining(began: float, seconds: float | None) -> float:
    return float("inf") if seconds is None else began + seconds - time.monotonic()


def _ask_kpi(platform: Platform) -> tuple[int, float, float]:
    """Attempts, approval rate and the age in seconds of the newest event among them."""
    with psycopg.connect(platform.env["DATABASE_URL"], connect_timeout=2) as connection:
        row = connection.execute(_KPI).fetchone()
    attempts, approval_rate, age = row or (0, None, None)
    return int(attempts), float(approval_rate or 0), float(age or 0)


def _found(platform: Platform) -> Found:
    return read_platform(platform.env["DATABASE_URL"])


def _print_live(at: float, attempts: int, approval_rate: float, speed: float, age: float) -> None:
    kpi = f"attempts {attempts:>11,}  approved {approval_rate:6.2%}"
    line = f"{at:6.0f} s  {kpi}  {speed:7,.0f}/s  newest {age:5.1f} s old"
    if sys.stdout.isatty():
        print(f"\r{line} ", end="", flush=True)
    else:
        _say(line)


def _print_summary(counts: list[Count]) -> None:
    _say(f"\n{'':32}{'sent':>12}{'found':>12}")
    for count in counts:
        share = f"  {count.found / count.sent:7.1%}" if count.sent else ""
        _say(f"  {count.what:30}{count.sent:>12,}{count.found:>12,}{share}{'' if count.agrees else '  DIFFERS'}")
    wrong = [count.what for count in counts if not count.agrees]
    _say(f"\nthese differ: {', '.join(wrong)}" if wrong else "\nevery count agrees: nothing lost, nothing doubled")
    if any(count.exceeds for count in counts):
        _say("more was found than the ledger knows: did another producer write to this broker?")


def _say(text: str) -> None:
    print(text, flush=True)
