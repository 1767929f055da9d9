"""Analysed messages in Postgres, and how far the analysis got: both in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from spark_jobs.messages.enrichment import SCHEMA, Row

_MOST_NAMES = 50_000

Key = tuple[str, datetime]


class StoreError(Exception):
    """The database is not as this job left it."""


@dataclass(frozen=True)
class Progress:
    """The newest batch, and the version of Silver up to which everything is stored."""

    stream: str
    batch_id: int
    table_id: str | None
    version: int | None


class MessageStore:
    """One connection, opened when first needed and again after it broke. Methods raise psycopg.OperationalError."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def close(self) -> None:
        """Give the connection up; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def progress(self) -> Progress:
        """How far the analysis got."""
        cursor = self._connect().cursor(row_factory=dict_row)
        row = cursor.execute("select stream, batch_id, table_id, version from ops.message_progress").fetchone()
        if row is None:
            raise StoreError("ops.message_progress is empty: restore its row, or run the migrations on a new database")
        return Progress(**row)

    def known(self, keys: Sequence[Key]) -> set[Key]:
        """Which of these (message_id, event_timestamp) are stored."""
        found = self._connect().execute(
            "select message_id, event_timestamp from live.messages "
            "join unnest(%s::text[], %s::timestamptz[]) as asked (message_id, event_timestamp) "
            "using (message_id, event_timestamp)",
            [[one for one, _ in keys], [moment for _, moment in keys]],
        )
        return {(str(row[0]), row[1]) for row in found if isinstance(row[1], datetime)}

    def add(self, rows: Sequence[Row], batch_id: int) -> None:
        """Store the next batch. Raises StoreError when another process has stored one meanwhile."""
        with self._connect().transaction(), self._connect().cursor() as cursor:
            cursor.execute(
                "update ops.message_progress set batch_id = %s, updated_at = clock_timestamp() where batch_id = %s",
                [batch_id, batch_id - 1],
            )
            if cursor.rowcount != 1:
                raise StoreError("another process analyses messages on this database: end one of the two")
            days = sorted({row["event_timestamp"].date() for row in rows})
            cursor.execute("select live.ensure_partitions('messages', %s::date[])", [days])
            columns = sql.SQL(", ").join(map(sql.Identifier, SCHEMA.names))
            values = sql.SQL(", ").join(map(sql.Placeholder, SCHEMA.names))
            cursor.executemany(sql.SQL("insert into live.messages ({}) values ({})").format(columns, values), rows)

    def advance(self, table_id: str, version: int) -> None:
        """Note that every message up to this version of Silver is stored."""
        self._connect().execute(
            "update ops.message_progress set table_id = %s, version = %s, updated_at = clock_timestamp()",
            [table_id, version],
        )

    def batch(self, batch_id: int) -> list[Row]:
        """The rows of a stored batch."""
        columns = [sql.SQL("entities::text") if name == "entities" else sql.Identifier(name) for name in SCHEMA.names]
        query = sql.SQL("select {} from live.messages where batch_id = %s").format(sql.SQL(", ").join(columns))
        return self._connect().cursor(row_factory=dict_row).execute(query, [batch_id]).fetchall()

    def merchants(self) -> Iterable[str]:
        """Names of merchants that purchases were made at, those with most purchases first."""
        found = self._connect().execute(
            "select merchant from live.merchant_history order by transactions desc limit %s", [_MOST_NAMES]
        )
        return [str(row[0]) for row in found]

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=5,
                application_name="messages",
                tcp_user_timeout=30_000,
                options="-c timezone=UTC",
            )
        return self._connection
