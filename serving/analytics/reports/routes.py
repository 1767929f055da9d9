"""GET /api/analytics/<report>: one route for each declaration, and the open alerts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from serving.access.callers import Caller, Scope
from serving.analytics.models import DeclinesReply, Progress, Window
from serving.analytics.replies import HEADERS, Replies, RepliesDep, answer
from serving.analytics.reports.catalogue import DECLINES, MERCHANTS, REPORTS
from serving.analytics.reports.composer import ReportQuery
from serving.analytics.reports.declaration import Report
from serving.analytics.reports.etags import etag, matches
from serving.analytics.reports.models import AlertsReply, reply_model
from serving.analytics.reports.parameters import (
    AlertParameters,
    DeclineParameters,
    ReportParameters,
    parameters_model,
)
from serving.analytics.reports.sharing import Answer
from serving.analytics.repository import Analytics
from serving.dependencies import AnalyticsDep, CallerDep, Clock, ClockDep, requires
from serving.problems import FORBIDDEN, INVALID, UNAUTHORISED, UNAVAILABLE

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The answer that If-None-Match names is still right.", "content": {}}
}
REASONS_BY_DEFAULT = 10

router = APIRouter(
    prefix="/api/analytics",
    tags=["analytics"],
    responses={**INVALID, **UNAUTHORISED, **FORBIDDEN, **UNAVAILABLE},
)


class Reporter:
    """Answers a report, so that every route answers alike."""

    def __init__(
        self,
        version: str,
        analytics: Analytics,
        clock: Clock,
        caller: Caller,
        replies: Replies,
        if_none_match: str | None,
    ) -> None:
        self.version = version
        self.analytics = analytics
        self.clock = clock
        self.caller = caller
        self.replies = replies
        self.if_none_match = if_none_match

    async def answer(self, parameters: ReportParameters) -> Response:
        """The reply to these parameters, or 304 when the client has it."""
        query = self.caller.narrowed(parameters.query(self.clock()))
        progress = await self.replies.progress()
        tag = etag(query, progress, self.version)
        headers = {**HEADERS, "ETag": tag}
        if matches(self.if_none_match, tag):
            return Response(status_code=304, headers=headers)

        async def make() -> Answer:
            return await self._made(parameters, query, progress)

        # Two requests for the same rows may differ in the cursors that go on from them.
        return await self.replies.under(f"{tag} {parameters.fingerprint}", make, headers)

    async def _made(self, parameters: ReportParameters, query: ReportQuery, progress: Progress) -> Answer:
        rows = await self.analytics.report(query)
        page = rows[: query.limit - 1]
        reply = reply_model(query.report)(
            newest_event_at=progress.newest_event_at,
            data_through=progress.data_through,
            start=query.start,
            end=query.end,
            group_by=list(query.group_by),
            rows=page,
            next_cursor=parameters.mark_after(query).encode() if len(rows) > len(page) else None,
        )
        return answer(reply, len(page))

    async def declines(self, parameters: DeclineParameters) -> Response:
        """The reasons of a window, or of a range of hours when anything asks for one."""
        if not parameters.is_of_a_window:
            return await self.answer(parameters)
        window = parameters.window or Window.LAST_24_HOURS
        most = parameters.limit or REASONS_BY_DEFAULT

        async def make() -> Answer:
            freshness = await self.analytics.freshness()
            reasons = await self.analytics.declines(window, most)
            reply = DeclinesReply(
                newest_event_at=freshness.newest_event_at,
                data_through=freshness.data_through,
                kpi_window=window,
                reasons=reasons,
            )
            return answer(reply, len(reasons))

        return await self.replies.of_this_second(("declines", window, most), make)


async def _reporter(
    request: Request,
    analytics: AnalyticsDep,
    clock: ClockDep,
    caller: CallerDep,
    replies: RepliesDep,
    if_none_match: Annotated[
        str | None, Header(description="ETags of answers at hand.", examples=['W/"5d41402a"'])
    ] = None,
) -> Reporter:
    return Reporter(str(request.app.version), analytics, clock, caller, replies, if_none_match)


ReporterDep = Annotated[Reporter, Depends(_reporter)]
WHOLE_BUSINESS = Depends(requires(Scope.ANALYTICS_READ))
OWN_MERCHANTS = Depends(requires(Scope.ANALYTICS_READ, of_the_whole_business=False))


def _add(report: Report) -> None:
    """Serve a report under its name."""
    model = parameters_model(report)

    async def report_route(reporter: ReporterDep, parameters: Annotated[model, Query()]) -> Response:  # type: ignore[valid-type]
        return await reporter.answer(parameters)

    router.add_api_route(
        f"/{report.name}",
        report_route,
        name=report.name,
        response_model=reply_model(report),
        description=f"{report.summary} Sums over whole hours; rates are ratios of sums.",
        responses=NOT_MODIFIED,
        dependencies=[OWN_MERCHANTS if report is MERCHANTS else WHOLE_BUSINESS],
    )


for _report in REPORTS:
    _add(_report)

_DeclineParameters = parameters_model(DECLINES, DeclineParameters)


@router.get(
    "/declines",
    response_model=DeclinesReply | reply_model(DECLINES),
    responses=NOT_MODIFIED,
    dependencies=[WHOLE_BUSINESS],
)
async def declines(
    reporter: ReporterDep,
    parameters: Annotated[_DeclineParameters, Query()],  # type: ignore[valid-type]
) -> Response:
    """Decline reasons of a trailing window, the most frequent first, with what a retry could recover; or, when
    anything but `window` and `limit` is given, declines over a range of hours, by any dimension."""
    return await reporter.declines(parameters)


@router.get("/alerts", response_model=AlertsReply, dependencies=[WHOLE_BUSINESS])
async def alerts(
    analytics: AnalyticsDep,
    replies: RepliesDep,
    parameters: Annotated[AlertParameters, Query()],
) -> Response:
    """Alerts that are open now, the critical and then the newest first."""

    async def make() -> Answer:
        progress = await analytics.progress()
        found = await analytics.alerts(parameters.kind, parameters.severity, parameters.limit)
        reply = AlertsReply(newest_event_at=progress.newest_event_at, data_through=progress.data_through, alerts=found)
        return answer(reply, len(found))

    # No ETag: an alert may begin just because no batch comes.
    return await replies.of_this_second(("alerts", parameters), make)
