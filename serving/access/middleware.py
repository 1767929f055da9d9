"""At the door: every request gets a number, a caller and, under /api, an entry in the audit."""

import re
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import problems
from serving.access.audit import AuditLog
from serving.access.callers import ANYBODY, NOBODY, Caller
from serving.access.errors import Unauthorised
from serving.access.keys import PREFIX, KeyRing
from serving.access.store import Asked
from serving.analytics.errors import StoreUnavailable

OPEN = ("/health", "/metrics", "/static")
"""What needs no key and looks at none: probes, scrapes, and files without a figure in them."""

MOST_PARAMETERS = 40
LONGEST_TEXT = 200
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SECRET = re.compile(rf"{PREFIX}[\w-]{{8}}[\w-]+", re.ASCII)


class AccessMiddleware:
    """Finds out who asks, or turns them away with a problem."""

    def __init__(self, app: ASGIApp, keys: KeyRing, is_key_required: bool) -> None:
        self.app = app
        self.keys = keys
        self.without_key = NOBODY if is_key_required else ANYBODY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._caller(Headers(scope=scope))
        except Unauthorised as error:
            await problems.unauthorised(Request(scope), str(error))(scope, receive, send)
        except StoreUnavailable as error:
            await problems.unavailable(Request(scope), error)(scope, receive, send)
        else:
            scope.setdefault("state", {})["caller"] = caller
            await self.app(scope, receive, send)

    async def _caller(self, headers: Headers) -> Caller:
        secret = presented(headers)
        if secret is not None:
            return await self.keys.caller(secret)
        if self.without_key is NOBODY:
            raise Unauthorised("A key is needed: send it as `Authorization: Bearer pk_…` or `X-API-Key: pk_…`.")
        return self.without_key


class AuditMiddleware:
    """Numbers every answer (X-Request-ID) and records those under /api, also the refused ones."""

    def __init__(self, app: ASGIApp, audit: AuditLog, clock: Callable[[], datetime]) -> None:
        self.app = app
        self.audit = audit
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        at, began, answered = self.clock(), time.perf_counter(), False
        scope.setdefault("state", {})

        def record(status: int) -> None:
            if scope["path"].startswith("/api/"):
                self.audit.add(_asked(scope, at, status, (time.perf_counter() - began) * 1000, request_id))

        async def numbered_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
                record(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, numbered_send)
        except Exception:
            if not answered:
                record(500)
            raise


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in OPEN)


def presented(headers: Headers) -> str | None:
    """The key that a request comes with; None without one.

    Raises:
        Unauthorised: when it comes with two different ones.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    found = {headers["x-api-key"].strip()} if "x-api-key" in headers else set()
    if scheme.lower() == "bearer":
        found.add(token.strip())
    if len(found) > 1:
        raise Unauthorised("Authorization and X-API-Key hold different keys: send one.")
    return found.pop() if found else None


def _asked(scope: Scope, at: datetime, status: int, ms: float, request_id: str) -> Asked:
    state: dict[str, Any] = scope["state"]
    caller: Caller | None = state.get("caller")
    route = getattr(scope.get("route"), "path", None) or scope["path"]
    return Asked(
        at=at,
        key_id=caller.key_id if caller else None,
        route=kept(route),
        parameters=_parameters(scope["query_string"]),
        status=status,
        rows=state.get("rows"),
        ms=round(ms, 3),
        request_id=request_id,
    )


def _parameters(query_string: bytes) -> dict[str, list[str]]:
    """What was asked, bounded, and fit for a JSON column."""
    found: dict[str, list[str]] = {}
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    for name, value in pairs[:MOST_PARAMETERS]:
        found.setdefault(kept(name), []).append(kept(value))
    return found


def kept(text: str) -> str:
    """Text that Postgres takes, cut, and without the secret part of a key that was sent in the wrong place."""
    clean = text[:LONGEST_TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return _SECRET.sub(lambda found: found[0][: len(PREFIX) + 8] + "…", clean)
