"""A lake with purchases, a database, and the job that counts them, one step at a time."""

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from domain.windows import windows
from local.platform import Platform
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.windows.job import Windows
from spark_jobs.windows.live import LiveError
from spark_jobs.windows.settings import WindowsSettings
from tests.integration.spark_jobs.windows.oracle import Purchase, Rows, expected

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WATERMARK = timedelta(seconds=60)
STREAM = "test"

SILVER = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("user_id", pa.int32()),
        ("amount", pa.float64()),
        ("merchant", pa.string()),
        ("is_fraud", pa.bool_()),
        ("payment_method", pa.string()),
        ("device_id", pa.string()),
        ("event_timestamp", pa.timestamp("us", "UTC")),
        ("country", pa.string()),
        ("event_date", pa.date32()),
    ]
)


class Desk:
    """Everything a test touches: what was bought, Silver, and the two places where windows are."""

    def __init__(self, folder: Path, database_url: str, seed: int = 4) -> None:
        self.lake = folder / "lake"
        self.database_url = database_url
        self.settings = WindowsSettings(
            DATABASE_URL=database_url,
            LAKE_URI=str(self.lake),
            STREAM_WATERMARK_SECONDS=60,
            cache_file=folder / "cache" / "windows.duckdb",
            lake_seconds=0.001,
            revise_seconds=0,
            tick_seconds=0.2,
            tick_rows=500,
        )
        self.bought: list[Purchase] = []
        self._random = random.Random(seed)
        self._batches = 0

    def some(self, count: int, first: datetime, last: datetime) -> list[Purchase]:
        """Purchases at odd and even instants of a span, with much that repeats and some that is strange."""
        draw, span = self._random, last - first
        merchants = ["Corner Shop", 'O\'Neil "Sons", \\ {x}', "Ünï¢ødé", "", "m" * 5000, None]
        return [
            Purchase(
                transaction_id=f"t{draw.getrandbits(64)}",
                at=first + timedelta(microseconds=draw.randrange(span // timedelta(microseconds=1))),
                user_id=draw.randrange(25),
                amount=draw.choice([0.005, 1.005, 12.34, 1e10, draw.random() * 500]),
                merchant=draw.choice(merchants),
                payment_method=draw.choice(["credit_card", "paypal", "crypto", 'odd, "one"']),
                country=draw.choice(["Germany", "France", None]),
                device_id=f"d{draw.randrange(40)}",
                is_fraud=draw.random() < 0.1,
            )
            for _ in range(count)
        ]

    def append(self, purchases: list[Purchase]) -> BatchIdentity:
        """Have the stream accept purchases as its next batch."""
        self.bought += purchases
        identity = BatchIdentity(STREAM, self._batches)
        self._batches += 1
        self.deliver(purchases, identity)
        return identity

    def deliver(self, purchases: list[Purchase], identity: BatchIdentity) -> None:
        """Append a batch, perhaps one that was delivered before."""
        rows = [{**one._asdict(), "event_timestamp": one.at, "event_date": one.at.date()} for one in purchases]
        Lake(str(self.lake)).append(
            "transactions_silver", pa.Table.from_pylist(rows, schema=SILVER), identity, "event_date"
        )

    @property
    def silver(self) -> DeltaTable:
        return DeltaTable(str(self.lake / "transactions_silver"))

    def job(self) -> Windows:
        return Windows(self.settings)

    def settle(self, job: Windows | None = None) -> None:
        """Let the job, or a new one, count everything and write what is complete."""
        job = job or self.job()
        try:
            while _step(job):
                pass
        finally:
            job.close()

    def live(self, name: str) -> Rows:
        with psycopg.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")
            cursor.execute(f"select * from live.{name}")
            names = [column.name for column in cursor.description or ()]
            return by_key(name, [dict(zip(names, row, strict=True)) for row in cursor])

    def delta(self, name: str) -> Rows:
        uri = str(self.lake / windows()[name].delta)
        if not DeltaTable.is_deltatable(uri):
            return {}
        return by_key(name, DeltaTable(uri).to_pyarrow_table().to_pylist())

    def check(self) -> None:
        """Hold every table against the oracle: live ones within their retention, the lake up to the newest event."""
        newest = max(one.at for one in self.bought)
        for name, window in windows().items():
            rows, width = expected(name, self.bought), timedelta(microseconds=window.width_us)
            kept = newest - timedelta(microseconds=window.retention_us)
            complete = {key for key in rows if key[0] + width < newest - WATERMARK}
            live, delta = self.live(name), self.delta(name)
            assert {key: measures(row) for key, row in live.items()} == {
                key: row for key, row in rows.items() if key[0] + width > kept
            }
            assert {key for key, row in live.items() if row["is_complete"]} == complete & live.keys()
            assert {key: measures(row) for key, row in delta.items()} == {key: rows[key] for key in complete}
            assert all(row["date"] == key[0].date() for key, row in delta.items())


def _step(job: Windows) -> bool:
    try:
        return job.tick() or job.write_lake()
    except LiveError:
        # Postgres notices the end of a connection, and with it of the lock, a moment later.
        time.sleep(0.05)
        return True


def by_key(name: str, rows: list[dict[str, Any]]) -> Rows:
    window = windows()[name]
    keyed = {(row["window_start"], *(row[key.name] for key in window.keys)): row for row in rows}
    assert len(keyed) == len(rows), f"{name} holds a row twice"
    width = timedelta(microseconds=window.width_us)
    assert all(row["window_end"] - row["window_start"] == width for row in rows)
    return keyed


def measures(row: dict[str, Any]) -> dict[str, Any]:
    frame = {"date", "window_start", "window_end", "is_complete", "merchant", "payment_method", "country", "user_id"}
    return {name: value for name, value in row.items() if name not in frame}


@pytest.fixture
def desk(platform: Platform, tmp_path: Path) -> Desk:
    platform.start("migrate")
    tables = ", ".join(f"live.{window.live}" for window in windows().values())
    with psycopg.connect(platform.site.database_url("owner"), autocommit=True) as connection:
        connection.execute(f"truncate {tables}, ops.window_progress, ops.window_revisions")
    return Desk(tmp_path, platform.site.database_url("stream"))
