"""Errors as RFC 9457 problem details: the same shape for every mistake, and nothing internal in any of them."""

import logging
import uuid
from collections.abc import Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from serving.access.errors import Forbidden, Unauthorised
from serving.analytics.errors import StoreUnavailable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class Mistake(BaseModel):
    """One thing that is wrong with a request."""

    parameter: str = Field(description="Where it is, e.g. query.limit.", examples=["query.limit"])
    message: str = Field(description="What is wrong and what would be right.")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem.", examples=["urn:problem:invalid-request"])
    title: str = Field(examples=["The request is not valid"])
    status: int = Field(examples=[422])
    detail: str
    instance: str = Field(description="Path of the request.", examples=["/api/analytics/kpis"])
    errors: list[Mistake] | None = Field(default=None, description="Each thing that is wrong, for status 422.")
    known_parameters: list[str] | None = Field(
        default=None, description="The parameters there are, when one is unknown.", examples=[["window"]]
    )
    incident: str | None = Field(default=None, description="Quote this to find the cause in the log, for status 500.")


def document(status: int, description: str, **example: Any) -> dict[int | str, dict[str, Any]]:
    """An entry for a route's `responses` in the OpenAPI document."""
    sample = {"status": status, "instance": "/api/analytics/kpis", **example}
    return {status: {"description": description, "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": sample}}}}


_SCHEMA = {"$ref": "#/components/schemas/Problem"}

INVALID = document(
    422,
    "A parameter is wrong or unknown.",
    type="urn:problem:invalid-request",
    title="The request is not valid",
    detail="1 parameter is wrong.",
    errors=[{"parameter": "query.windw", "message": "unknown parameter; did you mean 'window'?"}],
)
UNAVAILABLE = document(
    503,
    "The figures cannot be read right now; see Retry-After.",
    type="urn:problem:postgres-away",
    title="Postgres is away",
    detail="Postgres does not accept connections.",
)


UNAUTHORISED = document(
    401,
    "A key is needed, or the one presented is unknown, expired or revoked.",
    type="urn:problem:unauthorised",
    title="A valid key is needed",
    detail="The key has expired.",
)
FORBIDDEN = document(
    403,
    "The key may not do this.",
    type="urn:problem:forbidden",
    title="The key may not do this",
    detail="The key lacks the scope analytics:read.",
)


def problem(
    request: Request,
    status: int,
    slug: str,
    title: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JSONResponse:
    """A problem response about this request."""
    body = Problem(
        type=f"urn:problem:{slug}", title=title, status=status, detail=detail, instance=request.url.path, **members
    )
    return JSONResponse(body.model_dump(mode="json", exclude_none=True), status, headers=headers, media_type=MEDIA_TYPE)


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the schemas that problem responses refer to."""
    template = "#/components/schemas/{model}"
    for model in (Mistake, Problem):
        schema = model.model_json_schema(ref_template=template)
        schema.pop("$defs", None)
        document.setdefault("components", {}).setdefault("schemas", {})[model.__name__] = schema
    return document


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_exception_handler(Unauthorised, _unauthorised)
    app.add_exception_handler(Forbidden, _forbidden)
    app.add_exception_handler(Exception, _unexpected)


async def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    known = known_parameters(request)
    mistakes = [_mistake(entry, known) for entry in error.errors()]
    is_unknown = any(entry["type"] == "extra_forbidden" for entry in error.errors())
    return invalid(request, mistakes, **({"known_parameters": known} if is_unknown else {}))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _of_status(request, error.status_code, str(error.detail), error.headers)


def _of_status(request: Request, status: int, otherwise: str, headers: Mapping[str, str] | None) -> JSONResponse:
    title = HTTPStatus(status).phrase
    detail = _HTTP_DETAILS.get(status, otherwise)
    return problem(request, status, title.lower().replace(" ", "-"), title, detail, headers)


_HTTP_DETAILS = {
    404: "There is nothing at this path; /docs lists what there is.",
    405: "This path does not take that method; the Allow header lists those it takes.",
}


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StoreUnavailable)
    return unavailable(request, error)


async def _unauthorised(request: Request, error: Exception) -> JSONResponse:
    return unauthorised(request, str(error))


async def _forbidden(request: Request, error: Exception) -> JSONResponse:
    return forbidden(request, str(error))


def invalid(request: Request, mistakes: list[Mistake], **members: Any) -> JSONResponse:
    """422, with each mistake."""
    count = "1 parameter is wrong." if len(mistakes) == 1 else f"{len(mistakes)} parameters are wrong."
    return problem(request, 422, "invalid-request", "The request is not valid", count, errors=mistakes, **members)


def wrong_method(request: Request, allowed: str) -> JSONResponse:
    """405, with the method that is taken."""
    return _of_status(request, 405, "", {"Allow": allowed})


def forbidden(request: Request, detail: str) -> JSONResponse:
    """403."""
    return problem(request, 403, "forbidden", "The key may not do this", detail)


def unavailable(request: Request, error: StoreUnavailable) -> JSONResponse:
    """503, with the time after which to come back."""
    return problem(request, 503, error.slug, error.title, str(error), {"Retry-After": str(error.retry_after)})


def unauthorised(request: Request, detail: str) -> JSONResponse:
    """401, with the way to present a key."""
    return problem(request, 401, "unauthorised", "A valid key is needed", detail, {"WWW-Authenticate": "Bearer"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return unexpected(request, error)


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """500, with the number under which the cause is in the log."""
    incident = uuid.uuid4().hex[:12]
    log.error("incident %s on %s %s", incident, request.method, request.url.path, exc_info=error)
    detail = "Something went wrong on our side. Quote the incident number to find it in the log."
    return problem(request, 500, "internal-error", "Internal error", detail, incident=incident)


def known_parameters(request: Request) -> list[str]:
    """Query parameters of the matched route, as the OpenAPI document names them."""
    route = request.scope.get("route")
    declared = route.dependant.query_params if isinstance(route, APIRoute) else []
    return [name for parameter in declared for name in _names(parameter.name, parameter.field_info.annotation)]


def _names(name: str, annotation: Any) -> list[str]:
    """The names that a parameter goes by in a query: those of its fields when it is a model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [field.alias or own for own, field in annotation.model_fields.items()]
    return [name]


def _mistake(entry: Mapping[str, Any], known: list[str]) -> Mistake:
    where = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        return Mistake(parameter=where, message=_unknown(str(entry["loc"][-1]), known))
    return Mistake(parameter=where, message=entry["msg"].removeprefix("Value error, "))


def _unknown(name: str, known: list[str]) -> str:
    nearest = get_close_matches(name, known, n=1, cutoff=0.5)
    if nearest:
        return f"unknown parameter; did you mean '{nearest[0]}'?"
    return f"unknown parameter; known are {', '.join(known)}"
