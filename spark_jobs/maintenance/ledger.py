"""What maintenance did, in Postgres: its audit, and how it knows which days are clustered already."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg


@dataclass(frozen=True)
class Work:
    """One step on a table, or on a day of it."""

    table: str
    step: str
    began_at: datetime
    day: date | None = None
    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    newest_file_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class Ledger:
    """The table ops.lake_maintenance."""

    database_url: str

    def record(self, works: list[Work]) -> None:
        """Add what was done."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.lake_maintenance (table_name, step, began_at, ended_at, day, files_before, "
                "files_after, rows, newest_file_at, error) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        work.table, work.step, work.began_at, datetime.now(UTC), work.day, work.files_before,
                        work.files_after, work.rows, work.newest_file_at, work.error,
                    )
                    for work in works
                ],
            )  # fmt: skip

    def clustered(self, table: str) -> dict[date, datetime]:
        """When the newest file of each clustered day was written, as it was when the day was clustered last."""
        with closing(self._connect()) as connection:
            rows = connection.execute(
                "select distinct on (day) day, newest_file_at from ops.lake_maintenance where table_name = %s "
                "and step = 'cluster' and error is null and newest_file_at is not null order by day, run_id desc",
                [table],
            ).fetchall()
        return dict(rows)

    def _connect(self) -> psycopg.Connection[tuple[date, datetime]]:
        return psycopg.connect(self.database_url, autocommit=True, connect_timeout=10, application_name="maintenance")
