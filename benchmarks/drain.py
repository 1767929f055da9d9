"""One drain of filled topics through the platform, seen from outside: batches, steps, processor seconds, counts."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import Cpu, cpu_seconds
from domain.contracts import topics
from local.platform import Platform
from producer.events import CHECKOUTS, PAYMENTS

SIDE_SERVICES = ("windows", "messages", "anomalies", "maintenance")
"""What works beside the stream, off the money's path."""

SERVICES = ("kafka", "postgres", "registry", "stream", *SIDE_SERVICES)
POLL_S = 0.2
STANDSTILL_S = 120.0

_DONE = "select coalesce(sum(records), 0)::bigint from ops.batches where not offsets ? 'customer.messages'"
_COUNTS = """
    select (select count(*) from live.payments), (select count(*) from live.transactions),
        (select coalesce(sum(attempts), 0)::bigint from live.payment_minutes), (select count(*) from live.fraud_scores)
"""


@dataclass(frozen=True)
class Reading:
    """The stream and the processes at one instant; all sums since their start."""

    at: float
    """Unix seconds."""
    events: int
    """Committed in Postgres."""
    steps: Mapping[str, float]
    """Seconds spent in each step of the batches."""
    cpu: Cpu


@dataclass(frozen=True)
class Drain:
    """What a drain showed."""

    ready: Reading
    steady: Reading
    """When the steady part began."""
    done: Reading
    committed_at: list[float] = field(repr=False)
    """Of each batch, Unix seconds."""
    records: list[int] = field(repr=False)
    """Messages of each batch."""
    counts: dict[str, int]
    """Rows in every place at the end."""


def drain(platform: Platform, events: int, skip: float, beside: Sequence[str] = SIDE_SERVICES) -> Drain:
    """Start the stream and what is to work beside it, and watch until Postgres and the lake hold everything.

    The steady part begins with the first commit that is `skip` seconds after the stream's readiness, so that no batch
    is counted by half. Raises TimeoutError when the stream stands still.
    """
    platform.start("stream", *beside)
    with psycopg.connect(platform.site.database_url("dbt"), autocommit=True) as connection:
        ready = _reading(platform, connection)
        _watch(connection, platform, events, until=ready.at + skip)
        _wait_for_commit(connection, events)
        steady = _reading(platform, connection)
        _watch(connection, platform, events, until=float("inf"))
        done = _reading(platform, connection)
        batches = connection.execute(
            "select extract(epoch from committed_at)::float8, records from ops.batches "
            "where not offsets ? 'customer.messages' order by batch_id"
        ).fetchall()
        counts = _counts(platform, connection)
    return Drain(ready, steady, done, [at for at, _ in batches], [records for _, records in batches], counts)


def _watch(connection: psycopg.Connection[tuple[int]], platform: Platform, events: int, until: float) -> None:
    """Wait until all events are in Postgres and in Bronze and Silver, or until the moment."""
    seen, moved_at = -1, time.monotonic()
    while time.time() < until:
        done = _done(connection)
        if done == events and _lake_rows(platform.site.lake, "silver") == events:
            return
        if done != seen:
            seen, moved_at = done, time.monotonic()
        if time.monotonic() - moved_at > STANDSTILL_S:
            raise TimeoutError(f"the stream stands still at {done:,} of {events:,}, see {platform.log('stream')}")
        time.sleep(POLL_S)


def _wait_for_commit(connection: psycopg.Connection[tuple[int]], events: int) -> None:
    """Wait for the next commit; not at all when everything is committed."""
    before, deadline = _done(connection), time.monotonic() + STANDSTILL_S
    while before == _done(connection) < events:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no batch was committed within {STANDSTILL_S:.0f} s")
        time.sleep(POLL_S / 10)


def _done(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute(_DONE).fetchone()
    return row[0] if row else 0


def _reading(platform: Platform, connection: psycopg.Connection[tuple[int]]) -> Reading:
    return Reading(time.time(), _done(connection), _steps(platform), cpu_seconds(platform, SERVICES))


def _steps(platform: Platform) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{platform.site.ports.stream_metrics}/metrics", timeout=10).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    money = [one for one in samples if one.labels.get("query") == "money"]
    steps = {one.labels["step"]: one.value for one in money if one.name == "stream_step_duration_seconds_sum"}
    steps["postgres"] = steps.get("postgres", 0.0) - steps.get("scores", 0.0)
    return steps


def _counts(platform: Platform, connection: psycopg.Connection[tuple[int, int, int, int]]) -> dict[str, int]:
    payments, transactions, attempts, scores = connection.execute(_COUNTS).fetchone() or (0, 0, 0, 0)
    return {
        "live.payments": payments,
        "live.transactions": transactions,
        "attempts in the cube": attempts,
        "scores": scores,
        "Bronze": _lake_rows(platform.site.lake, "bronze"),
        "Silver": _lake_rows(platform.site.lake, "silver"),
    }


def _lake_rows(lake: Path, layer: str) -> int:
    return sum(_rows(lake / getattr(topics()[name], layer)) for name in (PAYMENTS, CHECKOUTS))


def _rows(table: Path) -> int:
    """Rows by the table's own log."""
    try:
        return sum(pa.table(DeltaTable(str(table)).get_add_actions()).column("num_records").to_pylist())
    except TableNotFoundError:
        return 0
