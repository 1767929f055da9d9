"""The pool of Postgres connections: opens lazily, gives up a lost connection quickly, never writes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection, OperationalError, errors, sql
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from serving.analytics.errors import NotMigrated, StoreBusy, StoreUnavailable, ViewsNotBuilt
from serving.settings import ApiSettings

Pool = AsyncConnectionPool[AsyncConnection[Any]]
AnyRow = TypeVar("AnyRow")


def create_pool(settings: ApiSettings) -> Pool:
    """A closed pool; `open(wait=False)` lets the service start while Postgres is still away."""
    return AsyncConnectionPool(
        settings.database_url.get_secret_value(),
        connection_class=AsyncConnection,
        min_size=1,
        max_size=settings.pool_size,
        open=False,
        timeout=settings.pool_wait_seconds,
        # Waiting callers above this are refused at once: a queue that long cannot be served within the time-out.
        max_waiting=settings.pool_size * 25,
        # The pool doubles its pause between attempts; a short total lets each new request try afresh instead.
        reconnect_timeout=2.0,
        check=AsyncConnectionPool.check_connection,
        name="api",
        kwargs={
            "autocommit": True,
            "connect_timeout": 2,
            "application_name": "payments-api",
            # dbt re-creates the views under us; a prepared plan of the old one could fail for ever.
            "prepare_threshold": None,
            "options": f"-c statement_timeout={settings.statement_timeout_ms}"
            " -c default_transaction_read_only=on -c jit=off -c timezone=UTC",
        },
    )


class Database:
    """Reads rows over a pool; whatever stands in the way is raised as a StoreUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._in_use = 0

    async def rows(
        self, kind: type[AnyRow], query: str | sql.Composed, parameters: Mapping[str, Any] | None = None
    ) -> list[AnyRow]:
        """The rows of a query, each made by calling `kind` with its columns as keyword arguments."""
        async with self.connection() as connection, connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(query, parameters)
            return await cursor.fetchall()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection of the pool."""
        try:
            async with self.pool.connection() as connection:
                self._in_use += 1
                try:
                    yield connection
                finally:
                    self._in_use -= 1
        except (PoolTimeout, TooManyRequests) as error:
            raise self._no_connection() from error
        except errors.QueryCanceled as error:
            raise StoreBusy("The query ran into its time limit.") from error
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName) as error:
            if 'relation "ops.' in str(error):
                raise NotMigrated("The database is not up to date: run `python -m postgres.migrate`.") from error
            raise ViewsNotBuilt("Gold views are not built yet: run dbt build.") from error
        except OperationalError as error:
            raise StoreUnavailable("The connection to Postgres was lost.") from error

    def _no_connection(self) -> StoreUnavailable:
        # The pool's own count of connections includes those it is still trying to open.
        if self._in_use >= self.pool.max_size:
            return StoreBusy("No connection to Postgres became free in time.")
        return StoreUnavailable("Postgres does not accept connections.")
