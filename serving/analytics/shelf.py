"""Ready answers ahead of the routes: who asks what was asked a moment ago gets the same bytes, headers and all.

Most of what an answer costs is finding its route, checking its parameters and looking up what it hangs on. A crowd at
one dashboard asks a handful of questions; each of them goes that way a few times a second, and not once per reader.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.callers import NOBODY, Caller
from serving.analytics.replies import takes_gzip
from serving.analytics.reports.etags import matches
from serving.analytics.reports.sharing import Answers
from serving.crowd import LIVE_STREAM

PREFIX = "/api/analytics/"
MOST_KEPT = 256
"""Answers, of a thousand rows each at most."""
_CONDITION = b"if-none-match"
_OF_A_BODY = (b"content-length", b"content-type", b"content-encoding")

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Ready:
    """A whole answer, and what record and metrics want to know of it."""

    status: int
    headers: RawHeaders
    body: bytes
    route: Any
    rows: int | None
    failure: Exception | None = None
    """Raised in place of an answer."""

    @property
    def is_good(self) -> bool:
        """Whether another may have it later."""
        return self.status == 200

    def unless_at_hand(self, tags: str | None) -> "Ready":
        """The answer, or 304 when the caller holds it."""
        own = dict(self.headers).get(b"etag")
        if not self.is_good or own is None or not matches(tags, own.decode("latin-1")):
            return self
        headers = [header for header in self.headers if header[0] not in _OF_A_BODY]
        return Ready(304, headers, b"", self.route, None)

    async def send(self, send: Send) -> None:
        if self.failure is not None:
            raise self.failure
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class ShelfMiddleware:
    """Gives the answers under PREFIX for `seconds`, and to all who ask while one is being made, failures too.

    Callers who may see different things have different answers. To be put behind what finds out who asks.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.shelf = Answers[Ready](MOST_KEPT, seconds, lambda ready: ready.is_good)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_shared(scope):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        caller: Caller = scope.get("state", {}).get("caller", NOBODY)
        asked = (scope["path"], scope["query_string"], takes_gzip(headers.get("accept-encoding", "")))
        ready = await self.shelf.get((asked, caller.scopes, caller.merchant_ids), lambda: self._made(scope, caller))
        found = ready.unless_at_hand(headers.get("if-none-match"))
        scope["route"] = ready.route
        scope.setdefault("state", {})["rows"] = found.rows
        await found.send(send)

    async def _made(self, scope: Scope, caller: Caller) -> Ready:
        """What the application answers, whichever of its answers this caller holds already."""
        headers = [header for header in scope["headers"] if header[0] != _CONDITION]
        inner = {**scope, "headers": headers, "state": {"caller": caller}}
        start: Message = {"status": 500, "headers": []}
        body = bytearray()
        failure = None

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        try:
            await self.app(inner, _nothing_follows, keep)
        except Exception as error:
            failure = error
        rows = inner["state"].get("rows")
        return Ready(start["status"], start["headers"], bytes(body), inner.get("route"), rows, failure)


def is_shared(scope: Scope) -> bool:
    """Whether the same request has the same answer for a moment."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    path: str = scope["path"]
    return path.startswith(PREFIX) and path != LIVE_STREAM


async def _nothing_follows() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
