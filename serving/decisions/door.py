"""HTTP for decisions: a plain ASGI application ahead of the others, for a decision must not cost more than its models.

It keeps what they have: keys, X-Request-ID, security headers, request metrics, problem details, and the audit of what
was refused. What was answered is in the record of answers.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving import problems
from serving.access.audit import AuditLog
from serving.access.callers import ANYBODY, NOBODY, Caller
from serving.access.callers import Scope as AccessScope
from serving.access.errors import Forbidden, Unauthorised
from serving.access.keys import KeyRing
from serving.access.middleware import kept, presented
from serving.access.store import Asked
from serving.analytics.errors import StoreUnavailable
from serving.decisions.bodies import MOST_BODY_BYTES, Bodies, HungUp, TooLarge, whole
from serving.decisions.endpoints import Endpoint, Notes
from serving.decisions.requests import Refused
from serving.decisions.versions import NoModel
from serving.metrics import METHODS, Metrics
from serving.security_headers import HEADERS

log = logging.getLogger(__name__)

RETRY_SECONDS = 30
_numbers = Random()
_REQUEST_ID = re.compile(rb"[\w.-]{1,64}", re.ASCII)
_KEY_HEADERS = (b"authorization", b"x-api-key")
_FIXED = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")] + [
    (name.lower().encode(), value.encode()) for name, value in HEADERS.items()
]


class DecisionDoor:
    """Answers the paths of the endpoints; `knows` tells which those are."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        keys: KeyRing,
        is_key_required: bool,
        metrics: Metrics,
        audit: AuditLog,
        clock: Callable[[], datetime],
    ) -> None:
        self.endpoints = endpoints
        self.keys = keys
        self.without_key = NOBODY if is_key_required else ANYBODY
        self.metrics = metrics
        self.audit = audit
        self.clock = clock
        self._bodies = Bodies()

    def knows(self, scope: Scope) -> bool:
        """Whether a request is for here."""
        return scope["type"] == "http" and scope["path"] in self.endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        seen = _seen(scope)
        number, notes = seen.number, Notes()
        caller = [self.without_key]
        try:
            body = await self._answer(scope, receive, caller, seen, notes)
        except HungUp:
            return
        except Exception as error:
            response = _problem(Request(scope), error)
        else:
            headers = [*_FIXED, (b"content-length", b"%d" % len(body)), (b"x-request-id", number)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            self._observe(scope, 200, began)
            if notes:
                self._record(scope, caller[0], 200, began, number.decode(), notes)
            return
        response.headers.update({**HEADERS, "X-Request-ID": number.decode()})
        self._observe(scope, response.status_code, began)
        self._record(scope, caller[0], response.status_code, began, number.decode(), {})
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, caller: list[Caller], seen: "_Seen", notes: Notes) -> bytes:
        if seen.has_key or self.without_key is NOBODY:
            caller[0] = await self._caller(scope)
        caller[0].require(AccessScope.DECISIONS_WRITE)
        if scope["method"] != "POST":
            raise _WrongMethod
        if seen.is_encoded:
            raise _Encoded
        endpoint, message = self.endpoints[scope["path"]], await receive()
        if (body := whole(message)) is not None:
            return await endpoint.answer(body, notes)
        with self._bodies.room() as room:
            return await endpoint.answer(await room.filled(message, receive), notes)

    async def _caller(self, scope: Scope) -> Caller:
        secret = presented(Headers(scope=scope))
        if secret is not None:
            return await self.keys.caller(secret)
        if self.without_key is NOBODY:
            raise Unauthorised("A key is needed: send it as `Authorization: Bearer pk_…` or `X-API-Key: pk_…`.")
        return self.without_key

    def _observe(self, scope: Scope, status: int, began: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.requests.add((method, scope["path"], status), time.perf_counter() - began)

    def _record(
        self, scope: Scope, caller: Caller, status: int, began: float, number: str, notes: Mapping[str, str]
    ) -> None:
        ms = round((time.perf_counter() - began) * 1000, 3)
        parameters = {name: [kept(text)] for name, text in notes.items()}
        self.audit.add(Asked(self.clock(), caller.key_id, scope["path"], parameters, status, None, ms, number))


class _Seen(NamedTuple):
    """What the door looks for among the headers. `number`: of the request, the caller's own or a new one."""

    number: bytes
    has_key: bool
    is_encoded: bool


def _seen(scope: Scope) -> _Seen:
    number, has_key, is_encoded = b"", False, False
    for name, value in scope["headers"]:
        if name in _KEY_HEADERS:
            has_key = True
        elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            number = value
        elif name == b"content-encoding":
            is_encoded = value.strip().lower() not in (b"", b"identity")
    return _Seen(number or b"%032x" % _numbers.getrandbits(128), has_key, is_encoded)


class _WrongMethod(Exception):
    """Something else than POST."""


class _Encoded(Exception):
    """A compressed body."""


def _problem(request: Request, error: Exception) -> Response:
    match error:
        case Refused():
            mistake = problems.Mistake(parameter=error.where, message=error.message)
            return problems.invalid(request, [mistake])
        case NoModel():
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return problems.problem(request, 503, "no-model", "There is no model to ask", str(error), headers)
        case TooLarge():
            detail = f"The body is larger than {MOST_BODY_BYTES // 2**20} MiB: send smaller batches."
            return problems.problem(request, 413, "content-too-large", "Content Too Large", detail)
        case Unauthorised():
            return problems.unauthorised(request, str(error))
        case Forbidden():
            return problems.forbidden(request, str(error))
        case StoreUnavailable():
            return problems.unavailable(request, error)
        case _Encoded():
            detail = "The body is compressed: send plain JSON, without Content-Encoding."
            headers = {"Accept-Encoding": "identity"}
            return problems.problem(request, 415, "unsupported-media-type", "Unsupported Media Type", detail, headers)
        case _WrongMethod():
            return problems.wrong_method(request, "POST")
    return problems.unexpected(request, error)
