"""GET /: the live page and the fragments that it renews."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from serving.access.callers import Scope as AccessScope
from serving.analytics.errors import StoreUnavailable
from serving.analytics.models import DeclineReason, Kpi, Window
from serving.analytics.parameters import WindowParameters
from serving.analytics.repository import Analytics
from serving.console import formats
from serving.dependencies import AnalyticsDep, HealthDep, requires

ROOT = Path(__file__).parent.parent
REASONS_SHOWN = 8

WINDOWS = {
    Window.LAST_HOUR: "Last hour",
    Window.LAST_24_HOURS: "24 hours",
    Window.LAST_7_DAYS: "7 days",
    Window.ALL_TIME: "All time",
}
DEPENDENCIES = {"postgres": "Postgres", "kafka": "Kafka", "schema_registry": "Schema registry", "stream": "Stream"}

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

templates = Jinja2Templates(ROOT / "templates")
templates.env.filters.update(
    count=formats.count,
    percent=formats.percent,
    usd=formats.usd,
    milliseconds=formats.milliseconds,
    wait=formats.wait,
    words=formats.words,
)


class Assets(StaticFiles):
    """Files of the page; browsers ask each time whether they changed, so that an upgrade shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def assets() -> Assets:
    """The static files as an application to mount."""
    return Assets(directory=ROOT / "static")


READS_ANALYTICS = [Depends(requires(AccessScope.ANALYTICS_READ))]


@router.get("/", dependencies=READS_ANALYTICS)
async def page(request: Request, analytics: AnalyticsDep, parameters: Annotated[WindowParameters, Query()]) -> Response:
    """The whole page; when figures cannot be read it says why, and fills in as soon as they can."""
    (kpi, problem), (reasons, _) = await asyncio.gather(
        _kpi(analytics, parameters.window), _reasons(analytics, parameters.window)
    )
    context = {"kpi": kpi, "problem": problem, "reasons": reasons}
    return _render(request, "page.html", parameters.window, context)


@router.get("/fragments/declines", dependencies=READS_ANALYTICS)
async def declines(
    request: Request, analytics: AnalyticsDep, parameters: Annotated[WindowParameters, Query()]
) -> Response:
    """The table of decline reasons."""
    reasons, problem = await _reasons(analytics, parameters.window)
    return _render(request, "declines.html", parameters.window, {"reasons": reasons, "problem": problem})


@router.get("/fragments/system")
async def system(request: Request, health: HealthDep) -> Response:
    """The strip of dependencies."""
    return _render(request, "system.html", Window.LAST_24_HOURS, {"report": await health.report()})


@router.get("/docs")
async def reference(request: Request) -> Response:
    """The API reference, from the OpenAPI document; needs no script."""
    return _render(request, "reference.html", Window.LAST_24_HOURS, {"document": request.app.openapi()})


def _render(request: Request, template: str, window: Window, context: dict[str, Any]) -> Response:
    shared = {"window": window, "windows": WINDOWS, "names": DEPENDENCIES}
    response = templates.TemplateResponse(request, template, {**shared, **context})
    response.headers["Cache-Control"] = "no-store"
    return response


async def _kpi(analytics: Analytics, window: Window) -> tuple[Kpi | None, str | None]:
    try:
        return await analytics.kpi(window), None
    except StoreUnavailable as error:
        return None, str(error)


async def _reasons(analytics: Analytics, window: Window) -> tuple[list[DeclineReason], str | None]:
    try:
        return await analytics.declines(window, REASONS_SHOWN), None
    except StoreUnavailable as error:
        return [], str(error)
