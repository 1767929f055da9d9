"""One run of the whole platform under load, watched from outside, for the latency benchmark."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from benchmarks.bare_consumer import AlertListener, Listener
from benchmarks.drain import SIDE_SERVICES
from benchmarks.processes import Cpu, between, cpu_seconds
from benchmarks.report import Floats, load_average
from benchmarks.visibility import Batches, Events, Journeys, journeys, ranges_to_last_offsets
from benchmarks.watchers import ApiWatcher, KpiWatcher
from domain.contracts import topics
from local.platform import Platform
from local.services import DBT_EVERY_S, producer
from producer.events import CHECKOUTS, PAYMENTS

FULL = (1_000, 90.0, 180.0)
"""Purchases per second, seconds of warm-up and of measurement: what the committed result is made with."""

DRAIN_WITHIN_S = 120.0
SERVICES = ("postgres", "kafka", "registry", "stream", "api", "dbt-repeatedly", "producer", *SIDE_SERVICES)


@dataclass(frozen=True)
class Plan:
    """What a run measures."""

    rate: int
    """Purchases per second."""
    warm_up: float
    """Seconds before the measured part; its first minute is reported as the cold one."""
    measured: float
    """Seconds."""

    @property
    def is_full(self) -> bool:
        return (self.rate, self.warm_up, self.measured) == FULL


@dataclass(frozen=True)
class Run:
    """What was seen. Instants are Unix seconds."""

    began: float
    warm: float
    ended: float
    late: int
    """Events that the producer made late by design; they are left out of the journeys."""
    journeys: Journeys
    scored: Journeys
    """Of purchases, from the checkout to its score: it is committed with the batch that the KPI counts."""
    alerts: Floats
    """Milliseconds from a checkout to its alert on fraud.alerts, as a plain consumer gets it."""
    bare: Floats
    kpi_query: Floats
    api: Floats
    cores: Cpu
    batches: int
    dbt_builds: int
    load_average: dict[str, float]


def measure(platform: Platform, plan: Plan) -> Run:
    """Run the platform at the plan's rate and look at it from outside."""
    load = load_average()
    platform.start("stream", "api", "dbt", "dbt-repeatedly", *SIDE_SERVICES)
    if plan.is_full:
        _wait_for_the_build_to_fall_into(plan)
    site = platform.site
    with (
        KpiWatcher(site.database_url("api")) as kpi,
        ApiWatcher(site.api) as api,
        Listener(site.kafka, topics()[PAYMENTS]) as bare,
        AlertListener(site.kafka) as alerts,
    ):
        arguments = ["--rate", str(plan.rate), "--seed", "1", "--ledger", str(platform.data / "ledger" / "run.csv")]
        platform.start_service(producer(site, "producer", "simulate", *arguments))
        began = _first_event(site.database_url("dbt"))
        warm, ended = began + plan.warm_up, began + plan.warm_up + plan.measured
        _sleep_until(warm)
        used_before = cpu_seconds(platform, SERVICES)
        _sleep_until(ended)
        used = between(used_before, cpu_seconds(platform, SERVICES))
        _refuse_when_ended(platform)
        platform.stop("producer")
        _wait_until_shown(site.database_url("dbt"), kpi)
    with psycopg.connect(site.database_url("dbt")) as connection:
        events, late = _events(connection, "payments")
        batches = _batches(connection, PAYMENTS)
        purchases, _ = _events(connection, "transactions")
        scored = journeys(purchases, _batches(connection, CHECKOUTS), kpi.polls())
        late_purchases = _late_purchases(connection)
    return Run(
        began=began,
        warm=warm,
        ended=ended,
        late=late,
        journeys=journeys(events, batches, kpi.polls()),
        scored=scored,
        alerts=alerts.latencies_ms(warm, ended, late_purchases),
        bare=bare.latencies_ms(warm, ended),
        kpi_query=kpi.took_ms(warm, ended),
        api=api.took_ms(warm, ended),
        cores={name: seconds / plan.measured for name, seconds in used.items()},
        batches=int(np.count_nonzero((batches.committed >= warm) & (batches.committed < ended))),
        dbt_builds=platform.log("dbt-repeatedly").read_text().count("ended with code 0"),
        load_average={"before": load, "after": load_average()},
    )


def _wait_for_the_build_to_fall_into(plan: Plan) -> None:
    """Wait so long that the next of dbt's builds begins in the middle of the measured part."""
    time.sleep(max(0.0, DBT_EVERY_S - plan.warm_up - plan.measured / 2))


def _first_event(database_url: str) -> float:
    """Wait for the first payment in Postgres. Returns the creation of the oldest that is not late by design."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        deadline = time.monotonic() + DRAIN_WITHIN_S
        while time.monotonic() < deadline:
            row = connection.execute(
                "select extract(epoch from min(event_timestamp))::float8 from live.payments where not is_late"
            ).fetchone()
            if row is not None and row[0] is not None:
                return float(row[0])
            time.sleep(0.2)
    raise TimeoutError(f"no payment reached Postgres within {DRAIN_WITHIN_S:.0f} s")


def _wait_until_shown(database_url: str, kpi: KpiWatcher) -> None:
    """Wait until the stream is idle and its last batch was polled."""
    deadline = time.monotonic() + DRAIN_WITHIN_S
    with psycopg.connect(database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(
                "select max(batch_id), extract(epoch from clock_timestamp() - max(committed_at))::float8 "
                "from ops.batches where not jsonb_exists(offsets, 'customer.messages')"
            ).fetchone()
            if row is not None and row[1] is not None and row[1] > 5 and kpi.polls().last_batch[-1] >= row[0]:
                return
            time.sleep(0.5)
    raise TimeoutError(f"the stream was not idle {DRAIN_WITHIN_S:.0f} s after the producer's end")


def _refuse_when_ended(platform: Platform) -> None:
    if not platform.is_running("producer"):
        raise RuntimeError(f"the producer ended early, see {platform.log('producer')}")


def _late_purchases(connection: psycopg.Connection[Any]) -> set[str]:
    return {row[0] for row in connection.execute("select transaction_id from live.transactions where is_late")}


def _events(connection: psycopg.Connection[Any], table: str) -> tuple[Events, int]:
    rows = connection.execute(
        "select extract(epoch from event_timestamp)::float8, extract(epoch from arrived_at)::float8, "
        f"source_partition, source_offset, is_late from live.{table}"
    ).fetchall()
    created, in_kafka, partition, offset, is_late = map(np.array, zip(*rows, strict=True))
    on_time = ~is_late.astype(bool)
    arrays = (created, in_kafka, partition.astype(np.int64), offset.astype(np.int64))
    return Events(*(array[on_time] for array in arrays)), int(np.count_nonzero(~on_time))


def _batches(connection: psycopg.Connection[Any], topic: str) -> Batches:
    rows = connection.execute(
        "select batch_id, extract(epoch from committed_at)::float8, offsets -> %s from ops.batches "
        "where jsonb_exists(offsets, %s) order by batch_id",
        [topic, topic],
    ).fetchall()
    number, committed, ranges = zip(*rows, strict=True)
    partitions = 1 + max((int(name) for own in ranges for name in own), default=0)
    return Batches(np.array(number), np.array(committed), ranges_to_last_offsets(list(ranges), partitions))


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))
