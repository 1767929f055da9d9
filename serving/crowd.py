"""A limit to requests at once: better a plain refusal at once than an answer after the client has given up."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import problems
from serving.access.middleware import is_open
from serving.analytics.errors import TooManyRequests

LIVE_STREAM = "/api/analytics/kpis/stream"
"""Stays open, and costs next to nothing meanwhile."""


class CrowdMiddleware:
    """Answers so many requests at once, and refuses the others with 503. Probes, scrapes and files always pass."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most
        self.now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]) or scope["path"] == LIVE_STREAM:
            await self.app(scope, receive, send)
            return
        if self.now >= self.most:
            refusal = TooManyRequests(f"{self.most} requests are being answered already.")
            await problems.unavailable(Request(scope), refusal)(scope, receive, send)
            return
        self.now += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.now -= 1
