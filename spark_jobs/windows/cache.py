"""Recent purchases in a DuckDB file, from which windows are recomputed. Silver can fill it again at any time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from domain.windows import HOUR_US, Window
from spark_jobs.windows.query import aggregated, placed, purchases

_EMPTY = """
    create or replace table purchases (
        event_us bigint, merchant varchar, payment_method varchar, country varchar,
        user_id integer, device_id varchar, cents bigint, is_fraud boolean, version bigint
    );
    create or replace table state (table_id varchar, version bigint, complete_from_us bigint);
"""
_ROWS_AT_ONCE = 500_000
"""Purchases that one query counts at most, so that their sets of different values fit into memory."""

_KEYS_AT_ONCE = 50_000
_INSERTED_AT_ONCE = 100_000


@dataclass(frozen=True)
class CacheState:
    """Up to which version of which table the cache got everything newer than `complete_from_us`."""

    table_id: str
    version: int
    complete_from_us: int


@dataclass(frozen=True)
class Touched:
    """The windows that new purchases belong to."""

    rows: Iterator[pa.Table]
    """The windows and keys that could be recomputed, as they are now, computed as they are asked for."""
    starts: Sequence[int]
    """All windows."""
    older: frozenset[int]
    """Those of `starts` that reach back behind what the cache holds, so that they are not among `rows`."""


class Cache:
    """One connection to the file. Any duckdb.Error leaves it unusable: close it, and open it again."""

    def __init__(self, file: Path, memory_limit_mb: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = duckdb.connect(
            str(file),
            config={"threads": 1, "memory_limit": f"{memory_limit_mb}MB", "preserve_insertion_order": False},
        )
        self._db.execute("set timezone = 'UTC'")
        if not self._db.execute("select 1 from duckdb_tables() where table_name = 'state'").fetchone():
            self._db.execute(f"begin; {_EMPTY} commit")

    def close(self) -> None:
        self._db.close()

    def state(self) -> CacheState | None:
        """None for a cache that was never filled."""
        row = self._db.execute("select table_id, version, complete_from_us from state").fetchone()
        return CacheState(*row) if row else None

    def refill(self, rows: pa.RecordBatchReader, state: CacheState) -> None:
        """Forget everything and begin with these rows of Silver; all of them count as added by the state's version."""
        self._db.execute(f"begin; {_EMPTY} commit")
        # In pieces: a transaction keeps all that it was given in memory. Without a state they count for nothing yet.
        for piece in _pieces(rows):
            self._insert(piece, state.version)
        self._keep_state(state)
        self._db.execute("checkpoint")

    def add(self, rows: Iterable[tuple[int, pa.Table]], state: CacheState) -> int:
        """Add new rows, each lot with the version that added it. Returns how many."""
        self._db.execute("begin")
        added = 0
        for version, lot in rows:
            self._insert(lot, version)
            added += lot.num_rows
        self._keep_state(state)
        self._db.execute("commit")
        return added

    def newest_event_us(self, since: int) -> int | None:
        """The newest event time among purchases added after a version."""
        row = self._db.execute("select max(event_us) from purchases where version > ?", [since]).fetchone()
        return int(row[0]) if row and row[0] is not None else None

    def evict(self, cache_hours: int, newest_us: int) -> None:
        """Forget what is older than so many hours before the newest event."""
        state = self.state()
        horizon = newest_us - cache_hours * HOUR_US
        if state is None or horizon - state.complete_from_us < HOUR_US // 12:
            return
        self._db.execute("begin")
        self._db.execute("delete from purchases where event_us < ?", [horizon])
        self._keep_state(CacheState(state.table_id, state.version, horizon))
        self._db.execute("commit")
        self._db.execute("checkpoint")

    def touched(self, window: Window, since: int) -> Touched:
        """The windows, and the keys in them, of the purchases added after a version, recomputed from all purchases."""
        new = placed(window, "select * from purchases where version > $since")
        self._db.execute(
            f"create or replace temporary table touched_{window.name} as "
            f"select distinct {', '.join(_keyed(window))} from ({new})",
            {"since": since},
        )
        counted = self._db.execute(f"select start_us, count(*) from touched_{window.name} group by start_us").fetchall()
        state = self.state()
        complete_from = state.complete_from_us if state else 0
        recent = {int(start): int(keys) for start, keys in counted if start >= complete_from}
        starts = [int(start) for start, _ in counted]
        return Touched(self._recompute_keys(window, recent), starts, frozenset(starts) - recent.keys())

    def whole(self, window: Window, starts: Sequence[int]) -> pa.Table:
        """All rows of some windows, from the cache."""
        return self._recompute_whole(window, starts, "purchases")

    def borrow(self, rows: pa.RecordBatchReader) -> None:
        """Take rows of Silver for `whole_borrowed`, in place of those borrowed before."""
        self._db.execute(
            "create or replace temporary table borrowed as select * exclude (version) from purchases limit 0"
        )
        for piece in _pieces(rows):
            self._db.register("arrived", piece)
            self._db.execute(f"insert into borrowed {purchases('arrived', 'duckdb')}")
            self._db.unregister("arrived")

    def whole_borrowed(self, window: Window, starts: Sequence[int]) -> pa.Table:
        """All rows of some windows, from what was borrowed."""
        return self._recompute_whole(window, starts, "borrowed")

    def give_back(self) -> None:
        """Forget what was borrowed."""
        self._db.execute("drop table if exists borrowed")

    def _recompute_keys(self, window: Window, keys: Mapping[int, int]) -> Iterator[pa.Table]:
        """The touched keys of some windows; `keys` says how many each has."""
        same = " and ".join(f"placed.{name} is not distinct from touched.{name}" for name in _keyed(window))
        for starts, parts in self._shares(window, list(keys), "purchases"):
            enough = min(parts, 1 + sum(keys[start] for start in starts) // _KEYS_AT_ONCE)
            for chosen in _chosen(window, starts, "purchases", enough):
                touched = (
                    f"select placed.* from ({chosen}) as placed semi join touched_{window.name} as touched on {same}"
                )
                yield self._db.execute(aggregated(window, touched, "duckdb")).to_arrow_table()

    def _recompute_whole(self, window: Window, starts: Sequence[int], source: str) -> pa.Table:
        return pa.concat_tables(
            self._db.execute(aggregated(window, chosen, "duckdb")).to_arrow_table()
            for share, parts in self._shares(window, starts, source)
            for chosen in _chosen(window, share, source, parts)
        )

    def _shares(self, window: Window, starts: Sequence[int], source: str) -> Iterator[tuple[list[int], int]]:
        """Windows to compute together, and in how many parts by their keys, so that no query counts too much."""
        if not starts:
            return
        slide, first, end = window.slide_us, min(starts), max(starts) + window.width_us
        panes = dict(
            self._db.execute(
                f"select event_us - event_us % {slide} as pane, count(*) from {source} "
                f"where event_us >= {first} and event_us < {end} group by pane"
            ).fetchall()
        )
        share, rows = list[int](), 0
        for start in sorted(starts):
            more = sum(panes.get(pane, 0) for pane in range(start, start + window.width_us, slide))
            if share and rows + more > _ROWS_AT_ONCE:
                yield share, _parts(window, rows)
                share, rows = [], 0
            share.append(start)
            rows += more
        yield share, _parts(window, rows)

    def _insert(self, rows: pa.Table | pa.RecordBatchReader, version: int) -> None:
        self._db.register("arrived", rows)
        self._db.execute(f"insert into purchases select *, {version} from ({purchases('arrived', 'duckdb')})")
        self._db.unregister("arrived")

    def _keep_state(self, state: CacheState) -> None:
        self._db.execute("delete from state")
        self._db.execute("insert into state values (?, ?, ?)", [state.table_id, state.version, state.complete_from_us])


def _keyed(window: Window) -> list[str]:
    return ["start_us", *(column.name for column in window.keys)]


def _parts(window: Window, rows: int) -> int:
    return 1 + rows // _ROWS_AT_ONCE if window.keys else 1


def _chosen(window: Window, starts: Sequence[int], source: str, parts: int) -> Iterator[str]:
    """Queries for the placed purchases of some windows, each with its share of the keys."""
    first, end = min(starts), max(starts) + window.width_us
    within = f"select * from {source} where event_us >= {first} and event_us < {end}"
    wanted = ", ".join(f"({start})" for start in starts)
    keys = ", ".join(column.name for column in window.keys)
    for part in range(parts):
        share = f"{within} and hash({keys}) % {parts} = {part}" if parts > 1 else within
        yield f"select * from ({placed(window, share)}) where start_us in (select * from (values {wanted}))"


def _pieces(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in rows:
        held.append(batch)
        if sum(one.num_rows for one in held) >= _INSERTED_AT_ONCE:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)
