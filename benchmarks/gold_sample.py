"""The simulated purchases of which every filled hour is made: drawn once, then multiplied by the server.

Attempts are folded into one hour. What was an hour or a day after its purchase stays so: `hours_after` tells how many
hours before the filled one the purchase lies, so that copies of a retry belong to copies of its purchase.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.stream_rows import Row, as_table, checkout, payment
from producer.events import CHECKOUTS, PAYMENTS
from producer.faults import DEFAULT_SHARES
from producer.schedule import DAILY_CURVE, Schedule
from producer.simulator import Scenario, Simulator
from spark_jobs.stream import detail
from spark_jobs.stream.detail import DetailTable

MOST_PURCHASES = 400_000
LEAST_PURCHASES = 500
FROM_HOUR_MS = 1_750_032_000_000
"""Midnight, UTC: the simulation plays from here."""
PLAYED_HOURS = 96
"""Twice the longest wait for a retry, so that few of them are cut off."""
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
SEED = 1
_CHUNK = 20_000
_TOLD_EVERY = 50_000

Told = Callable[[str], None]
Counts = npt.NDArray[np.int64]
EXTRA = {
    "minute": "smallint", "past_minute_ms": "integer", "arrival_lag_ms": "bigint", "hours_after": "integer",
    "purchase_rank": "double precision", "number": "bigint",
}  # fmt: skip
"""What a row has beside the columns of its table, with its type in Postgres."""


@dataclass(frozen=True)
class Sample:
    """Rows of one hour, in the order of their minutes: those of live.payments, and the frauds of live.transactions."""

    payments: pa.Table
    frauds: pa.Table

    @property
    def most_hours_after(self) -> int:
        """The longest that a row lies behind its purchase, in whole hours."""
        return max(int(np.max(rows["hours_after"].to_numpy(), initial=0)) for rows in (self.payments, self.frauds))


def draw(payments_per_hour: int, told: Told) -> Sample:
    """Simulate enough purchases for hours of this size: fewer than an hour's, so that each is copied."""
    purchases = min(max(payments_per_hour // 2, LEAST_PURCHASES), MOST_PURCHASES)
    rate = purchases / (PLAYED_HOURS * 3600)
    schedule = Schedule(rate, FROM_HOUR_MS, "daily", purchases=purchases)
    late_only = {"late": DEFAULT_SHARES["late"]}
    simulator = Simulator(Scenario(SEED, schedule, namespace="gold", bad_shares=late_only))
    ranks = Random(SEED)
    begun: dict[str, tuple[int, float]] = {}
    paid, frauds = _Rows(detail.PAYMENTS), _Rows(detail.TRANSACTIONS)
    for event in simulator:
        if event.topic == CHECKOUTS:
            begun[event.event_id] = event.event_time_ms // HOUR_MS, ranks.random()
            if len(begun) % _TOLD_EVERY == 0:
                told(f"sample: {len(begun):,} of {purchases:,} purchases")
            if event.record["is_fraud"]:
                frauds.add(checkout(event), *begun[event.event_id])
        elif event.topic == PAYMENTS:
            paid.add(payment(event), *begun[event.record["transaction_id"]])
    return Sample(paid.folded(), frauds.folded())


def copies(sample: Sample, payments: int, hours: Sequence[int]) -> Callable[[int], float]:
    """By hour of the epoch how many copies of the sample it begins, so that those hours hold `payments` in all.

    A purchase of rank r is copied once for each whole number c, from 0, with c + r below that. Hours follow the curve
    of the simulator's day.
    """
    curve = [DAILY_CURVE[hour % 24] for hour in hours]
    of_the_mean = payments / sum(curve) / max(sample.payments.num_rows, 1)
    return lambda hour: of_the_mean * DAILY_CURVE[hour % 24]


def times_copied(rows: pa.Table, limits: Sequence[float]) -> Counts:
    """How often each row is in an hour; `limits` are the copies that begin in it and, going back, in those before."""
    own = np.asarray(limits)[rows["hours_after"].to_numpy()]
    ranks = rows["purchase_rank"].to_numpy()
    counts = np.zeros(len(ranks), dtype=np.int64)
    for copy in range(most_copies(limits)):
        counts += copy + ranks < own
    return counts


def most_copies(limits: Sequence[float]) -> int:
    """The most copies of any row."""
    return max(ceil(max(limits)), 1)


class _Rows:
    """Rows of a table as they come, kept as columns."""

    def __init__(self, table: DetailTable) -> None:
        self._table = table
        self._pending: list[Row] = []
        self._done: list[pa.Table] = []
        self._purchases: list[tuple[int, float]] = []

    def add(self, row: Row, hour: int, rank: float) -> None:
        """Take a row of a purchase that began in this hour of the epoch."""
        self._pending.append(row)
        self._purchases.append((hour, rank))
        if len(self._pending) == _CHUNK:
            self._pack()

    def folded(self) -> pa.Table:
        """All rows with the columns of EXTRA, by minute."""
        self._pack()
        rows = pa.concat_tables(self._done)
        at_ms = rows["event_timestamp"].cast(pa.int64()).to_numpy() // 1000
        begun, ranks = np.array(self._purchases, dtype=np.float64).reshape(-1, 2).T
        extra = {
            "minute": at_ms % HOUR_MS // MINUTE_MS,
            "past_minute_ms": at_ms % MINUTE_MS,
            "arrival_lag_ms": rows["arrived_at"].cast(pa.int64()).to_numpy() // 1000 - at_ms,
            # A late event may claim a time before its purchase: it is one of the same hour here.
            "hours_after": np.maximum(at_ms // HOUR_MS - begun.astype(np.int64), 0),
            "purchase_rank": ranks,
        }
        for name, values in extra.items():
            rows = rows.append_column(name, pa.array(values))
        rows = rows.sort_by([("minute", "ascending"), ("past_minute_ms", "ascending")])
        return rows.append_column("number", pa.array(np.arange(rows.num_rows)))

    def _pack(self) -> None:
        self._done.append(as_table(self._table, self._pending))
        self._pending = []
