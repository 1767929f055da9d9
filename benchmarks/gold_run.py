"""One run of the gold benchmark: a platform that is filled, counted by dbt, and read while its stream writes."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from benchmarks.gold_readers import Seen, read
from benchmarks.gold_rows import empty, fill
from benchmarks.processes import between, cpu_seconds
from benchmarks.report import percentiles
from local import services
from local.errors import LocalError
from local.platform import Platform

VIEW_RUNS = 7
VIEW_WITHIN_S = 120
VIEWS_TOGETHER_MS = 30_000
"""A view that took this long in all is not asked again."""
DBT_WITHIN_S = 3600.0
FILL_WITHIN_S = 3600
ALONE_S = 60.0
WARM_UP_S = 90
STREAM_RATE = 1000
SERVICES = ("api", "postgres", "stream", "kafka", "registry", "producer")
"""Those whose processor time is read while many ask."""
LOADING = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
"""While rows are loaded, and never while anything is measured: with this a new partition leaves no log behind."""

Told = Callable[[str], None]
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What a run measures."""

    rows: int
    grow_from: int
    hours: int
    readers: int
    seconds: float
    pause: float
    beside_the_stream: bool

    @property
    def sizes(self) -> list[int]:
        """How many payments there are at each measurement, in this order."""
        return [self.grow_from, self.rows] if 0 < self.grow_from < self.rows else [self.rows]


@dataclass
class Grown:
    """What was measured at one size, with nobody else there."""

    payments: int = 0
    fill_s: float = 0.0
    megabytes: dict[str, float] = field(default_factory=dict)
    dbt_s: dict[str, float] = field(default_factory=dict)
    views: Figures = field(default_factory=dict)


@dataclass
class Run:
    """What a run found, and the phases that failed, with the reason."""

    grown: list[Grown] = field(default_factory=list)
    views: Figures = field(default_factory=dict)
    alone: Seen = field(default_factory=Seen)
    many: Seen = field(default_factory=Seen)
    streamed_per_s: float = 0.0
    """While the many read, as are the cores that each part of the platform used."""
    cores: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, told: Told) -> Iterator[None]:
        """Do something that may fail without an end to the run: what was measured before is worth its file."""
        told(f"{name} …")
        began = time.monotonic()
        try:
            yield
            told(f"{name}: {time.monotonic() - began:.0f} s")
        except (LocalError, psycopg.Error, OSError) as error:
            self.failures[name] = str(error).strip().partition("\n")[0]
            told(f"{name} failed: {self.failures[name]}")


def measure(platform: Platform, plan: Plan, told: Told) -> Run:
    """Do all that the plan says."""
    run = Run()
    platform.start("postgres", "migrate")
    _dbt(platform, "build", "--exclude-resource-type", "test", "unit_test")
    for payments in plan.sizes:
        grown = Grown()
        run.grown.append(grown)
        with run.phase(f"filling {payments:,}", told), loading(platform) as admin:
            empty(admin)
            filled = fill(admin, this_hour(), plan.hours, payments, told)
            grown.payments, grown.fill_s = filled.payments, round(filled.seconds, 1)
        _count(platform, run, grown, told)
    _read(platform, plan, run, told)
    return run


@contextmanager
def loading(platform: Platform) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A superuser's connection to a Postgres that keeps nothing safe; afterwards it does again."""
    with closing(_admin(platform)) as admin:
        for name, value in LOADING.items():
            admin.execute(sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    _restart(platform)
    try:
        with closing(_admin(platform)) as admin:
            admin.execute(sql.SQL("set statement_timeout = {}").format(sql.Literal(f"{FILL_WITHIN_S}s")))
            yield admin
    finally:
        with closing(_admin(platform)) as admin:
            admin.execute("alter system reset all")
        _restart(platform)


def _restart(platform: Platform) -> None:
    platform.stop("postgres")
    # What was written without fsync has to be on the disk before the server relies on it.
    os.sync()
    platform.start("postgres")


def _count(platform: Platform, run: Run, grown: Grown, told: Told) -> None:
    """What dbt takes to count everything, nothing, and the hour that was last; then sizes and views."""
    for name in ("every hour", "nothing new", "one hour"):
        with run.phase(f"dbt, {name}, of {grown.payments:,}", told):
            if name == "one hour":
                with closing(_admin(platform)) as admin:
                    admin.execute(_CHANGE_LAST_HOUR)
            grown.dbt_s[name] = round(_timed(lambda: _dbt(platform, "run", "--select", "tag:batch_layer")), 1)
    with run.phase("sizes and views", told):
        with closing(_admin(platform)) as admin:
            grown.megabytes = _sizes(admin)
        grown.views = views(platform.site.database_url("api"), run.failures)


def _read(platform: Platform, plan: Plan, run: Run, told: Told) -> None:
    site = platform.site
    with run.phase("starting the API", told):
        platform.start("api")
    if plan.beside_the_stream:
        with run.phase("starting the stream", told):
            platform.start("stream")
            arguments = ("simulate", "--rate", str(STREAM_RATE), "--seed", "1")
            platform.start_service(services.producer(site, "producer", *arguments))
            time.sleep(WARM_UP_S)
    with run.phase("views beside the stream", told):
        run.views = views(site.database_url("api"), run.failures)
    with run.phase("one reader", told):
        run.alone = read(site.api, 1, min(ALONE_S, plan.seconds), 0.0)
    with run.phase(f"{plan.readers} readers", told):
        _read_by_many(platform, plan, run)


def _read_by_many(platform: Platform, plan: Plan, run: Run) -> None:
    streamed, used, began = _streamed(platform), cpu_seconds(platform, SERVICES), time.monotonic()
    run.many = read(platform.site.api, plan.readers, plan.seconds, plan.pause)
    seconds, spent = time.monotonic() - began, between(used, cpu_seconds(platform, SERVICES))
    run.cores = {name: round(of_part / seconds, 3) for name, of_part in spent.items()}
    run.streamed_per_s = round((_streamed(platform) - streamed) / seconds, 1)
    if plan.beside_the_stream and run.streamed_per_s < STREAM_RATE / 2:
        run.failures["stream"] = (
            f"stored {run.streamed_per_s} payments/s beside the readers, of {STREAM_RATE:,} that came"
        )


def views(url: str, failures: dict[str, str]) -> Figures:
    """Milliseconds of all rows of the last 24 hours, by view, over one connection of the API's role."""
    found: Figures = {}
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(sql.SQL("set statement_timeout = {}").format(sql.Literal(f"{VIEW_WITHIN_S}s")))
        for view, has_hours in connection.execute(_VIEWS).fetchall():
            query = sql.SQL("select * from {}").format(sql.Identifier("gold", view))
            if has_hours:
                query += sql.SQL(" where hour >= now() - interval '24 hours'")
            try:
                found[view] = percentiles(np.array(_repeated(connection, query)))
            except psycopg.Error as error:
                failures[view] = str(error).strip().partition("\n")[0]
    return found


def _repeated(connection: psycopg.Connection[tuple[Any, ...]], query: sql.Composed) -> list[float]:
    """Milliseconds of a query, some times over, but not for long when it is slow."""
    taken: list[float] = []
    while len(taken) < VIEW_RUNS and sum(taken) < VIEWS_TOGETHER_MS:
        taken.append(_timed(lambda: connection.execute(query).fetchall()) * 1000)
    return taken


def _streamed(platform: Platform) -> int:
    """Payments that the stream has committed so far."""
    with closing(_admin(platform)) as admin:
        row = admin.execute("select coalesce(sum(payments), 0)::bigint from ops.batches").fetchone()
    return int(row[0]) if row else 0


def _admin(platform: Platform) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(platform.site.database_url("postgres"), autocommit=True)


def _dbt(platform: Platform, *verb: str) -> None:
    service = services.declare(platform.site)["dbt"]
    executable, _, *where = service.command()
    platform.run(replace(service, command=lambda: [executable, *verb, *where], ready_within=DBT_WITHIN_S))


def _sizes(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, float]:
    """Megabytes of the detail, of the stream's aggregates and of the batch layer, with their indexes."""
    row = connection.execute(_SIZES).fetchone()
    assert row is not None
    return dict(zip(("detail", "aggregates", "batch layer"), map(float, row), strict=True))


def this_hour() -> datetime:
    """The hour that is not over yet: fills end before it."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _timed(work: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


_CHANGE_LAST_HOUR = """
update live.payment_hours set version = version + 1 where hour = (select max(hour) from live.payment_hours)
"""

_VIEWS = """
select
    pg_class.relname,
    exists (select 1 from pg_attribute where attrelid = pg_class.oid and attname = 'hour' and not attisdropped)
from pg_class
where relnamespace = 'gold'::regnamespace and relkind = 'v' and relname ~ '^v_'
order by relname
"""

_SIZES = """
select
    round(coalesce(sum(size) filter (where place = 'live' and name ~ '_[0-9]{8}$'), 0) / 1e6, 1),
    round(coalesce(sum(size) filter (where place = 'live' and name !~ '_[0-9]{8}$'), 0) / 1e6, 1),
    round(coalesce(sum(size) filter (where place = 'gold'), 0) / 1e6, 1)
from (
    select relnamespace::regnamespace::text as place, relname as name, pg_total_relation_size(oid)::numeric as size
    from pg_class
    where relkind = 'r' and relnamespace in ('live'::regnamespace, 'gold'::regnamespace)
) as tables
"""
