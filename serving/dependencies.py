"""What routes ask for, as types: a signature says everything a route needs."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from serving.analytics.feed import KpiFeed
from serving.analytics.repository import Analytics
from serving.health.checks import Health

Clock = Callable[[], datetime]
"""Gives the present instant, UTC-aware."""


def _analytics(request: Request) -> Analytics:
    return request.app.state.analytics  # type: ignore[no-any-return]


def _feed(request: Request) -> KpiFeed:
    return request.app.state.feed  # type: ignore[no-any-return]


def _health(request: Request) -> Health:
    return request.app.state.health  # type: ignore[no-any-return]


def _clock(request: Request) -> Clock:
    return request.app.state.clock  # type: ignore[no-any-return]


AnalyticsDep = Annotated[Analytics, Depends(_analytics)]
FeedDep = Annotated[KpiFeed, Depends(_feed)]
HealthDep = Annotated[Health, Depends(_health)]
ClockDep = Annotated[Clock, Depends(_clock)]
