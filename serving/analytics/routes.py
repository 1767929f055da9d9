"""GET /api/analytics/…: headline figures, hourly trends, and the live stream."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from serving.access.callers import Scope
from serving.analytics.errors import ViewsNotBuilt
from serving.analytics.feed import Snapshot
from serving.analytics.models import Kpi, LiveKpi, TrendPoint, TrendsReply, Window
from serving.analytics.parameters import TrendParameters, WindowParameters, encode_cursor
from serving.analytics.replies import RepliesDep, answer
from serving.analytics.reports.sharing import Answer
from serving.analytics.repository import Cursor, TrendQuery
from serving.dependencies import AnalyticsDep, ClockDep, FeedDep, requires
from serving.problems import FORBIDDEN, INVALID, UNAUTHORISED, UNAVAILABLE

router = APIRouter(
    prefix="/api/analytics",
    tags=["analytics"],
    dependencies=[Depends(requires(Scope.ANALYTICS_READ))],
    responses={**INVALID, **UNAUTHORISED, **FORBIDDEN, **UNAVAILABLE},
)


@router.get("/kpis", response_model=Kpi)
async def kpis(
    analytics: AnalyticsDep, replies: RepliesDep, parameters: Annotated[WindowParameters, Query()]
) -> Response:
    """Headline figures of one window."""

    async def make() -> Answer:
        kpi = await analytics.kpi(parameters.window)
        if kpi is None:
            raise ViewsNotBuilt("v_executive_kpis has no row for this window: run dbt build.")
        return answer(kpi, 1)

    return await replies.of_this_second(("kpis", parameters), make)


@router.get("/trends", response_model=TrendsReply)
async def trends(
    analytics: AnalyticsDep,
    clock: ClockDep,
    replies: RepliesDep,
    parameters: Annotated[TrendParameters, Query()],
) -> Response:
    """Hourly approvals, oldest first, optionally by merchant segment or currency; page by `next_cursor`."""

    async def make() -> Answer:
        query = parameters.query(clock())
        freshness = await analytics.freshness()
        points = await analytics.trends(query)
        page, more = points[: parameters.limit], len(points) > parameters.limit
        reply = TrendsReply(
            newest_event_at=freshness.newest_event_at,
            data_through=freshness.data_through,
            start=query.start,
            end=query.end,
            points=page,
            next_cursor=encode_cursor(_key(page[-1], query)) if more else None,
        )
        return answer(reply, len(page))

    return await replies.of_this_second(("trends", parameters), make)


def _key(point: TrendPoint, query: TrendQuery) -> Cursor:
    """The grouping key of a point: parts that are summed or filtered over are empty, as in the query."""
    return Cursor(
        hour=point.hour,
        segment=(point.merchant_segment or "") if query.grouping.by_segment else "",
        currency=(point.currency or "") if query.grouping.by_currency else "",
    )


@router.get("/kpis/stream", response_class=EventSourceResponse)
async def kpi_stream(feed: FeedDep, parameters: Annotated[WindowParameters, Query()]) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `history` once (pulses of the last minutes), then `kpi` at each reading (once a second).

    `unavailable` takes the place of `kpi` while figures cannot be read. A comment keeps an idle connection open.
    """
    yield ServerSentEvent(event="history", data=list(feed.history), retry=2000)
    async for snapshot in feed.snapshots():
        yield _event(snapshot, parameters.window)


def _event(snapshot: Snapshot, window: Window) -> ServerSentEvent:
    kpi = snapshot.kpis.get(window)
    if kpi is not None and snapshot.pulse is not None:
        return ServerSentEvent(event="kpi", id=str(snapshot.number), data=LiveKpi(kpi=kpi, pulse=snapshot.pulse))
    failure = snapshot.failure or ViewsNotBuilt("v_executive_kpis has no row for this window: run dbt build.")
    detail = {"title": failure.title, "detail": str(failure), "retry_after": failure.retry_after}
    return ServerSentEvent(event="unavailable", id=str(snapshot.number), data=detail)
