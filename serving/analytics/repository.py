"""Reads the gold views: the one adapter between the endpoints and Postgres."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, Protocol, TypeVar

from psycopg import AsyncConnection, OperationalError, errors
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from serving.analytics import queries
from serving.analytics.errors import StoreBusy, StoreUnavailable, ViewsNotBuilt
from serving.analytics.models import DeclineReason, Freshness, Grouping, Kpi, Row, TrendPoint, Window

Pool = AsyncConnectionPool[AsyncConnection[Any]]
AnyRow = TypeVar("AnyRow", bound=Row)

START_OF_TIME = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cursor:
    """Where a page of trends ended: the key of its last row."""

    hour: datetime = START_OF_TIME
    segment: str = ""
    currency: str = ""


@dataclass(frozen=True)
class TrendQuery:
    """Which hourly figures are wanted; `start` is inclusive, `end` exclusive, both UTC-aware."""

    start: datetime
    end: datetime
    segment: str | None = None
    currency: str | None = None
    grouping: Grouping = Grouping.HOUR
    limit: int = 500
    after: Cursor = Cursor()


class Analytics(Protocol):
    """What the endpoints need. Every method raises StoreUnavailable when figures cannot be read."""

    async def ping(self) -> None:
        """Return when the store answers."""

    async def kpis(self) -> dict[Window, Kpi]:
        """Every window that the view holds."""

    async def kpi(self, window: Window) -> Kpi | None:
        """Headline figures of one window."""

    async def freshness(self) -> Freshness:
        """How far the figures reach."""

    async def trends(self, query: TrendQuery) -> list[TrendPoint]:
        """Hourly figures in the order of their key."""

    async def declines(self, window: Window, limit: int) -> list[DeclineReason]:
        """Decline reasons of one window, the most frequent first."""


class PostgresAnalytics:
    """Analytics over the views of the schema `gold`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._in_use = 0

    async def ping(self) -> None:
        async with self._connection() as connection:
            await connection.execute("select 1")

    async def kpis(self) -> dict[Window, Kpi]:
        return {row.kpi_window: row for row in await self._rows(Kpi, queries.KPIS)}

    async def kpi(self, window: Window) -> Kpi | None:
        rows = await self._rows(Kpi, queries.KPI, {"window": window.value})
        return rows[0] if rows else None

    async def freshness(self) -> Freshness:
        rows = await self._rows(Freshness, queries.FRESHNESS)
        return rows[0] if rows else Freshness(newest_event_at=None, data_through=None)

    async def trends(self, query: TrendQuery) -> list[TrendPoint]:
        return await self._rows(TrendPoint, queries.TRENDS, _trend_parameters(query))

    async def declines(self, window: Window, limit: int) -> list[DeclineReason]:
        return await self._rows(DeclineReason, queries.DECLINES, {"window": window.value, "limit": limit})

    async def _rows(
        self, kind: type[AnyRow], query: LiteralString, parameters: Mapping[str, Any] | None = None
    ) -> list[AnyRow]:
        async with self._connection() as connection, connection.cursor(row_factory=class_row(kind)) as cursor:
            await cursor.execute(query, parameters)
            return await cursor.fetchall()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
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
            raise ViewsNotBuilt("Gold views are not built yet: run dbt build.") from error
        except OperationalError as error:
            raise StoreUnavailable("The connection to Postgres was lost.") from error

    def _no_connection(self) -> StoreUnavailable:
        # The pool's own count of connections includes those it is still trying to open.
        if self._in_use >= self.pool.max_size:
            return StoreBusy("No connection to Postgres became free in time.")
        return StoreUnavailable("Postgres does not accept connections.")


def _trend_parameters(query: TrendQuery) -> dict[str, Any]:
    return {
        "start": query.start,
        "end": query.end,
        "segment": query.segment,
        "currency": query.currency,
        "by_segment": query.grouping.by_segment,
        "by_currency": query.grouping.by_currency,
        "after_hour": query.after.hour,
        "after_segment": query.after.segment,
        "after_currency": query.after.currency,
        "limit": query.limit,
    }
