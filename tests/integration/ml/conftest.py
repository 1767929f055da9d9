"""A Postgres of these tests' own, and payments in it as the stream would have written them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import psycopg
import pytest

from local.platform import Platform
from local.ports import Ports
from ml.anomalies import store
from ml.anomalies.policy import policy
from ml.anomalies.settings import AnomaliesSettings
from ml.anomalies.watch import Watcher

PROCESSORS = ("ProcessorA", "ProcessorB", "ProcessorC")

_PAYMENTS = """
    insert into live.payments
    select format('%%s-%%s-%%s-%%s', %(batch)s::text, %(at)s::text, %(processor)s::text, n), 't' || n,
        %(at)s::timestamptz + n * interval '0.1 s', 'm1', case n %% 2 when 0 then 'Retail' else 'Travel' end, 'DE',
        'DE', case n %% 3 when 0 then 'Rheinbank' else 'Nordkasse' end, 'Visa', '411111', 1000, 1080, 'EUR', 'standard',
        %(processor)s, false, null, false, 0.1, 0.1, 0.9, 0.1, 1, null, null, n > %(declined)s,
        case when n > %(declined)s then null else %(reason)s end, 200 + n %% 50, 20, false, 1, 'LOW', 'small',
        false, 0.1, false, %(at)s, 0, n
    from generate_series(1, %(n)s) n
"""


@dataclass(frozen=True)
class Stream:
    """Writes payments as the stream does, and asks what became of them."""

    connection: psycopg.Connection[tuple[Any, ...]]
    url: str

    def minute(self, at: datetime, n: int = 40, declined: dict[str, int] | None = None, batch: str = "first") -> None:
        """`n` attempts of each processor in this minute; `declined` of them by processor, else four."""
        self.connection.execute("select live.ensure_partitions('payments', %s::date[])", [[at.date()]])
        for processor in PROCESSORS:
            lost = (declined or {}).get(processor, 4)
            reason = "do_not_honor" if lost <= 4 else "processor_error"
            values = {"at": at, "processor": processor, "n": n, "declined": lost, "reason": reason, "batch": batch}
            self.connection.execute(_PAYMENTS, values)
        self.connection.execute(
            "insert into live.payment_minutes as known select %s, 'EUR', 'Retail', %s, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
            "on conflict (minute, currency, merchant_segment) do update "
            "set attempts = known.attempts + excluded.attempts",
            [at, n * len(PROCESSORS)],
        )

    def reached(self, at: datetime, committed_at: datetime | None = None) -> None:
        """The stream has committed events up to this instant, just now by default."""
        self.connection.execute(
            "insert into live.progress values ('money', 1, %s, %s) on conflict (query) do update "
            "set newest_event_at = excluded.newest_event_at, committed_at = excluded.committed_at",
            [at, committed_at or datetime.now(UTC)],
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def watch(self) -> int:
        """One round of a watcher that was started just now, as after a kill. Returns how many minutes it judged."""
        watcher = Watcher(AnomaliesSettings(DATABASE_URL=self.url), policy(), Event())
        with store.connect(self.url) as connection:
            return watcher.round(connection)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Platform(tmp_path_factory.mktemp("anomalies"), Ports.free()) as platform:
        platform.start("postgres", "migrate")
        yield platform.site.database_url("stream")


@pytest.fixture
def stream(database: str) -> Iterator[Stream]:
    with psycopg.connect(database, autocommit=True) as connection:
        for table in ("live.payments", "live.payment_minutes", "live.progress", "ops.series_minutes"):
            connection.execute(f"delete from {table}")
        for table in ("ops.series_hours", "ops.anomalies", "ops.anomaly_progress"):
            connection.execute(f"delete from {table}")
        yield Stream(connection, database)


@pytest.fixture
def now() -> datetime:
    """The beginning of a minute a while ago, in the middle of an hour so that no season begins."""
    return datetime.now(UTC).replace(minute=40, second=0, microsecond=0) - timedelta(hours=2)
