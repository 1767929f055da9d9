"""The job: tails Silver, keeps the live windows exact, and brings complete windows to the lake, until told to stop."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

import duckdb
import psycopg
import pyarrow as pa
from deltalake.exceptions import DeltaError

from domain.windows import HOUR_US, Window, instant, micros, windows
from spark_jobs.pauses import Pauses, Stopped
from spark_jobs.windows import metrics
from spark_jobs.windows.cache import Cache, CacheState, Touched
from spark_jobs.windows.gold import GoldTables
from spark_jobs.windows.live import Due, LiveError, LiveTables, Mark, Progress
from spark_jobs.windows.settings import WindowsSettings
from spark_jobs.windows.silver import Changes, SilverTable

log = logging.getLogger("windows")

_DUE_AT_ONCE = 2_000
_LAKE_BUDGET_S = 5.0
"""Writing to the lake pauses after this, so that the live tables do not wait."""

_REST = 2
"""Times as long as a look took, the job rests at least after it: most of a processor is always left to the stream."""

_BORROWED_ROWS = 1_000_000
"""About how many old purchases are read from Silver at a time."""


class Windows:
    """One process that computes all windowed tables. Every step may be repeated after a kill at any moment."""

    def __init__(self, settings: WindowsSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._silver = SilverTable(settings.lake_uri)
        self._live = LiveTables(settings.database_url, settings.watermark_seconds)
        self._gold = GoldTables(settings.lake_uri)
        self._cache: Cache | None = None
        self._cache_failures = 0
        self._quiet_since = time.monotonic()
        self._lake_written = float("-inf")
        self._lake_checked = False

    def stop(self) -> None:
        """Ask for an end; what is under way is finished first."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop. What a neighbour that is away fails is tried again, with growing pauses."""
        pauses = Pauses(self._stop)
        while not self._stop.is_set():
            try:
                began = time.monotonic()
                is_behind = self.tick()
                is_behind |= self.write_lake()
                worked = time.monotonic() - began
                self._cache_failures = 0
                pa.default_memory_pool().release_unused()
                pauses = Pauses(self._stop)
                metrics.UP.set(1)
                if not is_behind:
                    self._stop.wait(max(self._settings.tick_seconds, _REST * worked))
            except (psycopg.OperationalError, DeltaError, OSError, LiveError, duckdb.Error) as error:
                metrics.UP.set(0)
                if isinstance(error, duckdb.Error):
                    self._give_cache_up(error)
                try:
                    pauses.after("windows", error)
                except Stopped:
                    break
        self.close()
        log.info("stopped")

    def close(self) -> None:
        """Give connection and cache up."""
        self._live.close()
        if self._cache:
            self._cache.close()
            self._cache = None

    def tick(self) -> bool:
        """Count what Silver got since the last time. True when there is more already."""
        if not self._silver.refresh():
            return False
        progress = self._live.progress()
        if progress and (progress.table_id, progress.version) == (self._silver.id, self._silver.version):
            self._tidy(progress)
            return False
        with metrics.TICK_SECONDS.time():
            progress = self._count(progress)
        metrics.VERSIONS_BEHIND.set(self._silver.version - progress.version)
        self._quiet_since = time.monotonic()
        self._tidy(progress)
        return progress.version < self._silver.version

    def write_lake(self) -> bool:
        """Write what is due to Delta, and live windows that only Silver can tell. True when there is more already."""
        is_quiet = self._is_quiet()
        if time.monotonic() - self._lake_written < self._settings.lake_seconds and not is_quiet:
            return False
        progress = self._live.progress()
        if progress is None or progress.newest_event_at is None or not self._silver.refresh():
            return False
        self._check_lake()
        clock = self._clock(progress.newest_event_at)
        revise_seconds = 0 if is_quiet else self._settings.revise_seconds
        began = time.monotonic()
        while due := self._live.due(clock, revise_seconds, _DUE_AT_ONCE):
            with metrics.LAKE_SECONDS.time():
                self._write_group(due, progress, clock)
            if self._stop.is_set() or time.monotonic() - began > _LAKE_BUDGET_S:
                return True
        self._lake_written = time.monotonic()
        return False

    def _count(self, before: Progress | None) -> Progress:
        """Bring the cache and then the live tables to a newer version of Silver."""
        since = before.version if before and self._is_known(before) else -1
        changes, days = self._take(since if before and self._is_known(before) else None)
        cache = self._opened_cache()
        newest = cache.newest_event_us(since)
        newest_at = max(
            filter(None, (before.newest_event_at if before else None, instant(newest) if newest is not None else None)),
            default=None,
        )
        progress = Progress(self._silver.id, changes.version, newest_at)
        touched = {name: cache.touched(window, since) for name, window in windows().items()}
        marks = [*_marks(touched), *marks_of_days(days)]
        self._live.commit(_rows(touched), marks, progress)
        if newest_at:
            metrics.LAG.set((datetime.now(UTC) - newest_at).total_seconds())
            cache.evict(self._settings.cache_hours, micros(newest_at))
        return progress

    def _is_known(self, progress: Progress) -> bool:
        return progress.table_id == self._silver.id and progress.version <= self._silver.version

    def _take(self, since: int | None) -> tuple[Changes, frozenset[date]]:
        """Take what is new into the cache. Returns up to where, and the days that have to be recomputed."""
        changes = self._silver.changes(since, self._settings.tick_rows) if since is not None else None
        if since is not None and changes is not None and not changes.rewritten_days and self._add(changes, since):
            return changes, frozenset()
        self._refill()
        changes = self._silver.changes(since) if since is not None else None
        if changes is None:
            return Changes(self._silver.version), frozenset(self._silver.days())
        return changes, changes.added_days | changes.rewritten_days

    def _add(self, changes: Changes, since: int) -> bool:
        """Add new files to the cache; False when it does not hold what was there before them."""
        cache = self._opened_cache()
        state = cache.state()
        if state is None or state.table_id != self._silver.id or not since <= state.version <= self._silver.version:
            return False
        missing = [file for file in changes.files if file.version > state.version]
        reached = max(state.version, changes.version)
        try:
            added = cache.add(self._silver.read(missing), CacheState(state.table_id, reached, state.complete_from_us))
        except FileNotFoundError:
            log.info("files of Silver were vacuumed before they were counted; reading the table instead")
            self.close()
            return False
        metrics.PURCHASES.inc(added)
        return True

    def _refill(self) -> None:
        metrics.REFILLS.inc()
        newest = self._silver.newest_event()
        log.info("filling the cache from version %d of Silver", self._silver.version)
        first = newest - timedelta(hours=self._settings.cache_hours) if newest else None
        complete_from = micros(first) if first else 0
        self._opened_cache().refill(
            self._silver.scan(first), CacheState(self._silver.id, self._silver.version, complete_from)
        )

    def _write_group(self, due: Sequence[Due], progress: Progress, clock: datetime) -> None:
        """Write windows that can be computed together: all that the cache holds, else some neighbours from Silver."""
        cache = self._opened_cache()
        state = cache.state()
        is_current = state and (state.table_id, state.version) == (progress.table_id, progress.version)
        recent = [one for one in due if state and is_current and one.start_us >= state.complete_from_us]
        group = recent or self._neighbours(due)
        if not recent:
            end = max(one.start_us + one.window.width_us for one in group)
            cache.borrow(self._silver.scan(instant(min(one.start_us for one in group)), instant(end)))
        compute = cache.whole if recent else cache.whole_borrowed
        for window, members in _by_window(group):
            rows = compute(window, [one.start_us for one in members])
            complete = [one.start_us for one in members if one.is_complete]
            if complete:
                written = _of_starts(rows, complete)
                self._gold.replace(window, complete, written)
                metrics.ROWS.labels(window.name, "lake").inc(written.num_rows)
            self._live.settle(window, members, rows, progress.newest_event_at or clock, clock)
        cache.give_back()

    def _neighbours(self, due: Sequence[Due]) -> list[Due]:
        """The windows that start in the same stretch of a day as the newest one; the fuller the day, the shorter."""
        last = max(one.start_us for one in due)
        day = instant(last).date()
        hours = max(1, min(24, 24 * _BORROWED_ROWS // max(1, self._silver.rows_of(day))))
        first = last - last % (24 * HOUR_US)
        first += (last - first) // (hours * HOUR_US) * (hours * HOUR_US)
        return [one for one in due if one.start_us >= first]

    def _tidy(self, progress: Progress) -> None:
        if progress.newest_event_at:
            self._live.tidy(progress.newest_event_at, self._clock(progress.newest_event_at))

    def _clock(self, newest: datetime) -> datetime:
        """Where event time stands: at the newest event, or at the present once no more events come."""
        return max(newest, datetime.now(UTC)) if self._is_quiet() else newest

    def _is_quiet(self) -> bool:
        return time.monotonic() - self._quiet_since > self._settings.watermark_seconds

    def _check_lake(self) -> None:
        """Once per process: have a table that was dropped written again."""
        if self._lake_checked:
            return
        for window in windows().values():
            if not self._gold.exists(window):
                self._live.forget_written(window)
        self._lake_checked = True

    def _opened_cache(self) -> Cache:
        if self._cache is None:
            self._cache = Cache(self._settings.cache_file, self._settings.memory_limit_mb)
        return self._cache

    def _give_cache_up(self, error: duckdb.Error) -> None:
        """Open the file again the next time; when that does not help either, begin with a new one."""
        if self._cache:
            self._cache.close()
            self._cache = None
        self._cache_failures += 1
        is_sound = isinstance(error, duckdb.OutOfMemoryException) or "Could not set lock" in str(error)
        if self._cache_failures > 1 and not is_sound:
            log.warning("the cache %s cannot be used and is made anew from Silver", self._settings.cache_file)
            for file in (self._settings.cache_file, self._settings.cache_file.with_suffix(".duckdb.wal")):
                file.unlink(missing_ok=True)


def _rows(touched: Mapping[str, Touched]) -> Iterator[tuple[Window, pa.Table]]:
    for name, found in touched.items():
        for lot in found.rows:
            metrics.ROWS.labels(name, "live").inc(lot.num_rows)
            yield windows()[name], lot


def _marks(touched: Mapping[str, Touched]) -> Iterator[Mark]:
    for name, found in touched.items():
        if found.starts:
            yield Mark(windows()[name], found.starts, found.older)


def marks_of_days(days: frozenset[date]) -> Iterator[Mark]:
    """Every window that shares an instant with these days."""
    for day in sorted(days):
        first = micros(datetime(day.year, day.month, day.day, tzinfo=UTC))
        for window in windows().values():
            starts = window.starts_between(first, first + 24 * HOUR_US)
            yield Mark(window, starts, frozenset(starts))


def _by_window(due: Sequence[Due]) -> Iterator[tuple[Window, list[Due]]]:
    ordered = sorted(due, key=lambda one: one.window.name)
    for name, members in groupby(ordered, key=lambda one: one.window.name):
        yield windows()[name], list(members)


def _of_starts(rows: pa.Table, starts: Sequence[int]) -> pa.Table:
    instants = pa.array([instant(start) for start in starts], pa.timestamp("us", "UTC"))
    return rows.filter(pa.compute.is_in(rows.column("window_start"), instants))
