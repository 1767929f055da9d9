"""The record of reprocessings in Postgres: what was asked, when, and what was found."""

from collections.abc import Sequence

import psycopg

from spark_jobs.reprocessing.outcome import Outcome
from spark_jobs.reprocessing.rebuild import Days

Connection = psycopg.Connection[tuple[object, ...]]


class Record:
    """The row of this run in ops.reprocessings. A run that was killed keeps a row without an end."""

    def __init__(self, connection: Connection, days: Days, tables: Sequence[str], compare: bool) -> None:
        self._connection = connection
        row = connection.execute(
            "insert into ops.reprocessings (first_day, last_day, tables, changes_nothing) values (%s, %s, %s, %s) "
            "returning run_id",
            [days.first, days.last, list(tables), compare],
        ).fetchone()
        assert row is not None
        self.run_id = int(str(row[0]))

    def add(self, outcome: Outcome) -> None:
        """Keep what was found in one day of one table."""
        found = outcome.differences
        self._connection.execute(
            "insert into ops.reprocessed_days as known values (%s, %s, %s, %s, %s, %s, %s, %s) "
            "on conflict (run_id, table_name, day) do update set "
            "missing = known.missing + excluded.missing, extra = known.extra + excluded.extra, "
            "changed = known.changed + excluded.changed, rows_after = excluded.rows_after",
            [
                self.run_id, outcome.table, outcome.day, outcome.rows_before, outcome.rows_after,
                found.missing, found.extra, found.changed,
            ],
        )  # fmt: skip

    def end(self, error: str | None = None) -> None:
        """Say that the run is over, and what stopped it."""
        self._connection.execute(
            "update ops.reprocessings set ended_at = clock_timestamp(), error = %s where run_id = %s",
            [error, self.run_id],
        )
