"""All steps on all tables, in order. What fails on one table is told, recorded and left to the next round."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
from deltalake.exceptions import DeltaError

from spark_jobs.maintenance import metrics
from spark_jobs.maintenance.compaction import CLUSTER, COMPACT, cluster, compact
from spark_jobs.maintenance.ledger import Ledger, Work
from spark_jobs.maintenance.retention import LAST_READERS, RETAIN, ArchiveIncomplete, retain, retain_database
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.maintenance.status import measure
from spark_jobs.maintenance.tables import KeptTable, tables
from spark_jobs.maintenance.vacuum import VACUUM, vacuum
from spark_jobs.rewrites import rewriting

log = logging.getLogger("maintenance")

STEPS = (COMPACT, CLUSTER, RETAIN, VACUUM)
"""In this order: what compaction and retention take out of a table, vacuum may delete when its hours are over."""

FAILURES = (DeltaError, OSError, pa.ArrowException, psycopg.Error, ArchiveIncomplete)
"""What a step may fail with while its neighbours or its disk are in trouble. All steps can be repeated."""

DATABASE = "postgres"
_REWRITE_WAIT = "30s"


@dataclass
class Round:
    """One pass over the lake, and how much of it failed."""

    settings: MaintenanceSettings
    only: frozenset[str] = frozenset()
    """Names of tables; empty for all."""
    failures: int = 0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _began: float = field(default_factory=time.monotonic)

    def run(self, steps: Sequence[str]) -> int:
        """Do these steps; returns how many of them failed on some table."""
        kept = self._tables()
        for step in steps:
            self._step(step, kept)
        for table in kept:
            with self._reported("status", table.name):
                measure(table, self.clock())
        return self.failures

    def _tables(self) -> list[KeptTable]:
        found = tables(self.settings.lake_uri)
        unknown = self.only - {table.name for table in found}
        if unknown:
            raise FileNotFoundError(f"no table {', '.join(sorted(unknown))} in {self.settings.lake_uri}")
        return [table for table in found if not self.only or table.name in self.only]

    def _step(self, step: str, kept: list[KeptTable]) -> None:
        began, failures = time.monotonic(), self.failures
        for table in kept:
            with self._reported(step, table.name), self._alone(step, table.name):
                self._record(self._work(step)(table))
        if step == RETAIN and not self.only:
            with self._reported(step, DATABASE):
                self._retain_database()
        metrics.DURATION.labels(step).set(time.monotonic() - began)
        if self.failures == failures:
            metrics.LAST_RUN.labels(step).set(time.time())

    @contextmanager
    def _alone(self, step: str, table: str) -> Iterator[None]:
        """Keep out of the way of other rewrites of the table; raises LockNotAvailable when one takes too long."""
        if step == VACUUM:
            yield
            return
        with closing(psycopg.connect(self.settings.database_url, autocommit=True, connect_timeout=10)) as connection:
            connection.execute(f"set lock_timeout = '{_REWRITE_WAIT}'")
            with rewriting(connection, table):
                yield

    def _work(self, step: str) -> Callable[[KeptTable], list[Work]]:
        settings, now = self.settings, self.clock()
        ledger = Ledger(settings.database_url)
        return {
            COMPACT: lambda table: compact(table, now, settings.memory_bytes),
            CLUSTER: lambda table: cluster(table, ledger, now, settings.memory_bytes, settings.most_clustered_bytes),
            RETAIN: lambda table: retain(table, settings.archive_uri, now),
            VACUUM: lambda table: vacuum(table, now),
        }[step]

    def _retain_database(self) -> None:
        settings = self.settings
        ages = settings.database_retention_days, settings.aggregate_retention_days
        for name in retain_database(settings.database_url, *ages, datetime.now(UTC) - LAST_READERS):
            log.info("retain postgres: dropped live.%s", name)

    def _record(self, works: list[Work]) -> None:
        for work in works:
            day = f" {work.day}" if work.day else ""
            log.info("%s %s%s: %d files became %d", work.step, work.table, day, work.files_before, work.files_after)
        if works:
            Ledger(self.settings.database_url).record(works)

    @contextmanager
    def _reported(self, step: str, table: str) -> Iterator[None]:
        began = datetime.now(UTC)
        try:
            yield
        except FAILURES as error:
            self.failures += 1
            metrics.ERRORS.labels(step, table).inc()
            reason = _line(error)
            log.error("%s %s failed: %s. Nothing is lost; the next run does it again", step, table, reason)
            self._record_failure(Work(table, step, began, error=reason))

    def _record_failure(self, work: Work) -> None:
        try:
            Ledger(self.settings.database_url).record([work])
        except psycopg.Error as error:
            log.warning(
                "the failure could not be recorded in ops.lake_maintenance: %s", str(error).strip().split("\n")[0]
            )


def _line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
