"""Reads the gold views: the one adapter between the endpoints and Postgres."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from serving.analytics import queries
from serving.analytics.models import DeclineReason, Freshness, Grouping, Kpi, Progress, TrendPoint, Window
from serving.analytics.reports.composer import ReportQuery, compose
from serving.analytics.reports.models import Alert
from serving.database import Database

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

    async def progress(self) -> Progress:
        """How far the stream is; cheaper than `freshness`, and knows the batch."""

    async def report(self, query: ReportQuery) -> list[dict[str, Any]]:
        """Rows of a report by the names of their columns."""

    async def alerts(self, kinds: list[str], severities: list[str], limit: int) -> list[Alert]:
        """Open alerts, the critical and then the newest first; empty lists for any."""


class PostgresAnalytics:
    """Analytics over the views of the schema `gold`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def ping(self) -> None:
        async with self.database.connection() as connection:
            await connection.execute("select 1")

    async def kpis(self) -> dict[Window, Kpi]:
        return {row.kpi_window: row for row in await self.database.rows(Kpi, queries.KPIS)}

    async def kpi(self, window: Window) -> Kpi | None:
        rows = await self.database.rows(Kpi, queries.KPI, {"window": window.value})
        return rows[0] if rows else None

    async def freshness(self) -> Freshness:
        rows = await self.database.rows(Freshness, queries.FRESHNESS)
        return rows[0] if rows else Freshness(newest_event_at=None, data_through=None)

    async def trends(self, query: TrendQuery) -> list[TrendPoint]:
        return await self.database.rows(TrendPoint, queries.TRENDS, _trend_parameters(query))

    async def declines(self, window: Window, limit: int) -> list[DeclineReason]:
        return await self.database.rows(DeclineReason, queries.DECLINES, {"window": window.value, "limit": limit})

    async def progress(self) -> Progress:
        rows = await self.database.rows(Progress, queries.PROGRESS)
        return rows[0] if rows else Progress(newest_event_at=None, data_through=None)

    async def report(self, query: ReportQuery) -> list[dict[str, Any]]:
        statement, parameters = compose(query)
        return await self.database.rows(dict, statement, parameters)

    async def alerts(self, kinds: list[str], severities: list[str], limit: int) -> list[Alert]:
        wanted = {"kinds": kinds, "severities": severities, "limit": limit}
        return await self.database.rows(Alert, queries.ALERTS, wanted)


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
