"""What routes ask for, as types: a signature says everything a route needs.

Each is a coroutine function: FastAPI takes any other callable to another thread, once per dependency and request.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from serving.access.callers import NOBODY, Caller, Scope
from serving.access.store import PostgresAudit
from serving.analytics.feed import KpiFeed
from serving.analytics.repository import Analytics
from serving.health.checks import Health

Clock = Callable[[], datetime]
"""Gives the present instant, UTC-aware."""


async def _analytics(request: Request) -> Analytics:
    return request.app.state.analytics  # type: ignore[no-any-return]


async def _feed(request: Request) -> KpiFeed:
    return request.app.state.feed  # type: ignore[no-any-return]


async def _health(request: Request) -> Health:
    return request.app.state.health  # type: ignore[no-any-return]


async def _clock(request: Request) -> Clock:
    return request.app.state.clock  # type: ignore[no-any-return]


async def _audit(request: Request) -> PostgresAudit:
    return request.app.state.audit  # type: ignore[no-any-return]


async def _caller(request: Request) -> Caller:
    return getattr(request.state, "caller", NOBODY)


async def _row_counter(request: Request) -> Callable[[int], None]:
    def count(rows: int) -> None:
        request.state.rows = rows

    return count


def requires(scope: Scope, *, of_the_whole_business: bool = True) -> Callable[[Caller], Awaitable[None]]:
    """A dependency that lets a caller pass who has this scope, and, unless told otherwise, no limit to merchants."""

    async def check(caller: CallerDep) -> None:
        caller.require(scope, of_the_whole_business=of_the_whole_business)

    return check


AnalyticsDep = Annotated[Analytics, Depends(_analytics)]
FeedDep = Annotated[KpiFeed, Depends(_feed)]
HealthDep = Annotated[Health, Depends(_health)]
ClockDep = Annotated[Clock, Depends(_clock)]
AuditDep = Annotated[PostgresAudit, Depends(_audit)]
CallerDep = Annotated[Caller, Depends(_caller)]
RowCountDep = Annotated[Callable[[int], None], Depends(_row_counter)]
"""Tell it how many rows the answer has: the audit records it."""
