"""Recent purchases in a DuckDB file, from which windows are recomputed. Silver can fill it again at any time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from domain.windows import HOUR_US, Window
from spark_jobs.windows.query import aggregated, placed, purchases

_PURCHASES = """
    create table purchases (
        event_us bigint, merchant varchar, payment_method varchar, country varchar,
        user_id integer, device_id varchar, cents bigint, is_fraud boolean, version bigint
    );
    create table state (table_id varchar, version bigint, complete_from_us bigint);
"""


@dataclass(frozen=True)
class CacheState:
    """Up to which version of which table the cache got everything newer than `complete_from_us`."""

    table_id: str
    version: int
    complete_from_us: int


@dataclass(frozen=True)
class Touched:
    """The windows that new purchases belong to."""

    rows: pa.Table
    """The windows and keys that could be recomputed, as they are now."""
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
            self._db.execute(f"begin; {_PURCHASES} commit")

    def close(self) -> None:
        self._db.close()

    def state(self) -> CacheState | None:
        """None for a cache that was never filled."""
        row = self._db.execute("select table_id, version, complete_from_us from state").fetchone()
        return CacheState(*row) if row else None

    def refill(self, rows: pa.RecordBatchReader, state: CacheState) -> None:
        """Forget everything and begin with these rows of Silver; all of them count as added by the state's version."""
        self._db.execute("begin; delete from purchases")
        self._insert(rows, state.version)
        self._keep_state(state)
        self._db.execute("commit")

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
            f"create or replace temporary table touched as select distinct {', '.join(_keyed(window))} from ({new})",
            {"since": since},
        )
        starts = [int(row[0]) for row in self._db.execute("select distinct start_us from touched").fetchall()]
        state = self.state()
        complete_from = state.complete_from_us if state else 0
        older = frozenset(start for start in starts if start < complete_from)
        recent = [start for start in starts if start >= complete_from]
        return Touched(self._recompute(window, recent, by_key=True), starts, older)

    def whole(self, window: Window, starts: Sequence[int]) -> pa.Table:
        """All rows of some windows, from the cache."""
        return self._recompute(window, starts, by_key=False)

    def borrow(self, rows: pa.RecordBatchReader) -> None:
        """Take rows of Silver for `whole_borrowed`, in place of those borrowed before."""
        self._db.register("arrived", rows)
        self._db.execute(f"create or replace temporary table borrowed as {purchases('arrived', 'duckdb')}")
        self._db.unregister("arrived")

    def whole_borrowed(self, window: Window, starts: Sequence[int]) -> pa.Table:
        """All rows of some windows, from what was borrowed."""
        return self._recompute(window, starts, by_key=False, source="borrowed")

    def give_back(self) -> None:
        """Forget what was borrowed."""
        self._db.execute("drop table if exists borrowed")

    def _recompute(self, window: Window, starts: Sequence[int], by_key: bool, source: str = "purchases") -> pa.Table:
        first, end = (min(starts), max(starts) + window.width_us) if starts else (0, 0)
        within = f"select * from {source} where event_us >= {first} and event_us < {end}"
        wanted = ", ".join(f"({start})" for start in starts) or "(null)"
        chosen = f"select * from ({placed(window, within)}) where start_us in (select * from (values {wanted}))"
        if by_key:
            same = " and ".join(f"placed.{name} is not distinct from touched.{name}" for name in _keyed(window))
            chosen = f"select placed.* from ({chosen}) as placed semi join touched on {same}"
        found = self._db.execute(aggregated(window, chosen, "duckdb"))
        return found.to_arrow_table()

    def _insert(self, rows: pa.Table | pa.RecordBatchReader, version: int) -> None:
        self._db.register("arrived", rows)
        self._db.execute(f"insert into purchases select *, {version} from ({purchases('arrived', 'duckdb')})")
        self._db.unregister("arrived")

    def _keep_state(self, state: CacheState) -> None:
        self._db.execute("delete from state")
        self._db.execute("insert into state values (?, ?, ?)", [state.table_id, state.version, state.complete_from_us])


def _keyed(window: Window) -> list[str]:
    return ["start_us", *(column.name for column in window.keys)]
