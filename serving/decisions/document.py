"""The endpoints of decisions in the OpenAPI document, made from the types that decode and encode them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from serving import problems
from serving.decisions.answers import Batch, Decision, Prediction
from serving.decisions.endpoints import Endpoint
from serving.decisions.requests import DEFAULT_MODEL, MOST_ROWS, PREDICTIONS, RequestType

_REFERENCE = "#/components/schemas/{name}"
_REPLIES = (Prediction, Batch, Decision)

TOO_LARGE = problems.document(
    413,
    "The body is larger than 8 MiB.",
    type="urn:problem:content-too-large",
    title="Content Too Large",
    detail="The body is larger than 8 MiB: send smaller batches.",
)
ENCODED = problems.document(
    415,
    "The body is compressed.",
    type="urn:problem:unsupported-media-type",
    title="Unsupported Media Type",
    detail="The body is compressed: send plain JSON, without Content-Encoding.",
)
NO_MODEL = problems.document(
    503,
    "The model has no version yet, the keys cannot be read, or too many large bodies are under way; see Retry-After.",
    type="urn:problem:no-model",
    title="There is no model to ask",
    detail="fraud_detection_model has no champion. Train it (`make train`) and promote it.",
)
INVALID = problems.document(
    422,
    "The body is no JSON, or a field is wrong, missing or unknown.",
    type="urn:problem:invalid-request",
    title="The request is not valid",
    detail="1 parameter is wrong.",
    errors=[{"parameter": "body.amount", "message": "Expected 'float', got 'str'"}],
)
_PROBLEMS = {**TOO_LARGE, **ENCODED, **INVALID, **problems.UNAUTHORISED, **problems.FORBIDDEN, **NO_MODEL}


def describe(document: dict[str, Any], endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document with the endpoints and the schemas that they refer to."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {name: one.schema for name, one in PREDICTIONS.items()}
    _, replies = msgspec.json.schema_components(_REPLIES, ref_template=_REFERENCE)
    schemas |= replies
    for endpoint in endpoints:
        if endpoint.request is not None:
            schemas[endpoint.request.name] = endpoint.request.schema
        document.setdefault("paths", {})[endpoint.path] = {"post": _operation(endpoint)}
    return document


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    reply = {"schema": {"$ref": _REFERENCE.format(name=endpoint.reply.__name__)}}
    responses = {"200": {"description": "The answer.", "content": {"application/json": reply}}}
    return {
        "tags": ["decisions"],
        "summary": endpoint.summary,
        "operationId": endpoint.path.strip("/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": _body(endpoint)}},
        "responses": {**responses, **{str(status): one for status, one in _PROBLEMS.items()}},
    }


def _body(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.request is not None:
        return {"schema": {"$ref": _REFERENCE.format(name=endpoint.request.name)}, "example": endpoint.request.example}
    prediction = {"oneOf": [{"$ref": _REFERENCE.format(name=name)} for name in PREDICTIONS]}
    if endpoint.reply is Prediction:
        return {"schema": prediction, "examples": _examples(PREDICTIONS)}
    # In a batch the model is named once, beside the rows.
    rows = {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": prediction}
    model = {"type": "string", "enum": list(PREDICTIONS), "default": DEFAULT_MODEL, "description": "The model."}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["rows"],
        "properties": {"model": model, "rows": {**rows, "description": "Requests of that model."}},
    }
    return {"schema": schema, "example": {"model": DEFAULT_MODEL, "rows": [PREDICTIONS[DEFAULT_MODEL].example]}}


def _examples(types: Mapping[str, RequestType]) -> dict[str, Any]:
    return {name: {"summary": name, "value": one.example} for name, one in types.items()}
