"""The requests of decisions as types: made from the fields that models are asked with, and defined nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Annotated, Any, Literal

import msgspec

from ml.features.definition import Definition
from ml.features.definitions import DEFINITIONS
from ml.features.fields import Field, Kind

DEFAULT_MODEL = "fraud_detection_model"
MOST_ROWS = 10_000
LONGEST_TEXT = 200
LONGEST_ID = 100
_TYPES: Mapping[Kind, type] = {"number": float, "boolean": bool, "category": str, "instant": datetime}
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_IDENTITY: tuple[tuple[str, Any, str, Any], ...] = (
    ("transaction_id", _Id, "The purchase: joins the decision with its outcome", "t-5f0c"),
    ("merchant_id", _Id, "The merchant", "m-00007"),
    (
        "user_id",
        Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)],
        "The customer",
        48213,
    ),
)
"""Who and what is decided about. No model sees these; experiments split by them, and the record keeps them."""
IDENTITY = tuple(name for name, *_ in _IDENTITY)

EXAMPLES: Mapping[str, Any] = {
    "amount": 249.9,
    "currency": "EUR",
    "event_timestamp": "2026-03-01T20:15:00Z",
    "merchant_segment": "Retail",
    "merchant_country": "DE",
    "issuer_country": "FR",
    "issuer": "Banque Lutece",
    "card_network": "Visa",
    "card_bin": "411111",
    "payment_method": "credit_card",
    "payment_solution": "standard",
    "country": "Germany",
    "processor": "ProcessorA",
    "uses_3ds": False,
    "three_ds_outcome": "frictionless",
    "is_network_token": False,
    "fraud_score": 0.12,
    "aml_risk_score": 0.05,
    "device_trust_score": 0.9,
    "velocity_score": 0.1,
    "attempt_number": 1,
    "previous_decline_reason": "insufficient_funds",
    "decline_reason": "insufficient_funds",
    "minutes_since_decline": 30.0,
    "previous_attempts": 1,
    "user_transactions": 14,
    "user_amount_cents": 91250,
    "user_seconds_since_last": 86400.0,
    "user_transactions_30m": 0,
    "user_devices": 2,
    "is_new_device": False,
    "device_transactions": 12,
    "device_users": 1,
    "merchant_transactions": 48210,
    "merchant_amount_cents": 312004500,
}
"""A value of each field, for the document of the API."""


class Refused(Exception):
    """A request that cannot be answered: where in it, and what is wrong."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.message = message


@dataclass(frozen=True)
class RequestType:
    """A request as one flat JSON object: identity, and fields. `chosen`: fields that are answered, not asked."""

    name: str
    fields: tuple[Field, ...]
    names_model: bool = False

    @cached_property
    def type(self) -> type[msgspec.Struct]:
        """As a type that JSON is decoded into; unknown fields are refused, null and absence are the same."""
        model = [("model", Literal[self.name], self.name)] if self.names_model else []
        identity = [(name, kind | None, None) for name, kind, _, _ in _IDENTITY]
        fields = sorted((_decoded(one) for one in self.fields), key=len)
        return msgspec.defstruct(
            self.name, [*fields, *model, *identity], kw_only=True, forbid_unknown_fields=True, gc=False
        )

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema, for the document of the API."""
        properties: dict[str, Any] = {}
        if self.names_model:
            properties["model"] = {"type": "string", "const": self.name, "default": self.name}
            if self.name != DEFAULT_MODEL:
                del properties["model"]["default"]
        for name, kind, meaning, example in _IDENTITY:
            properties[name] = _described(msgspec.json.schema(kind), meaning, example, is_required=False)
        for field in self.fields:
            schema = msgspec.json.schema(_annotated(field))
            properties[field.name] = _described(schema, field.meaning, EXAMPLES[field.name], field.is_required)
        required = [one.name for one in self.fields if one.is_required]
        if self.names_model and self.name != DEFAULT_MODEL:
            required.insert(0, "model")
        return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}

    @cached_property
    def example(self) -> dict[str, Any]:
        """A request."""
        model = {"model": self.name} if self.names_model else {}
        identity = {name: example for name, _, _, example in _IDENTITY}
        return {**model, **identity, **{one.name: EXAMPLES[one.name] for one in self.fields}}


def without(definition: Definition, *chosen: str) -> tuple[Field, ...]:
    """The fields of a model but those whose best value is what is asked for."""
    return tuple(one for one in definition.fields if one.name not in chosen)


def union(definitions: Iterable[Definition]) -> tuple[Field, ...]:
    """The fields of several models, each once; required where any of them requires it."""
    found: dict[str, Field] = {}
    for definition in definitions:
        for field in definition.fields:
            known = found.get(field.name)
            found[field.name] = field if known is None or field.is_required else known
    return tuple(found.values())


def cleaned(request: msgspec.Struct, definition: Definition) -> dict[str, Any]:
    """The fields of a model out of a decoded request, as features see them.

    Its type has made sure of everything else than the zone of instants.
    """
    values = {name: getattr(request, name, None) for name in _names(definition.model)}
    for field in _instants(definition.model):
        values[field.name] = field.clean(values[field.name])
    return values


@cache
def _names(model: str) -> tuple[str, ...]:
    return tuple(one.name for one in DEFINITIONS[model].fields)


@cache
def _instants(model: str) -> tuple[Field, ...]:
    return tuple(one for one in DEFINITIONS[model].fields if one.kind == "instant")


def _annotated(field: Field) -> Any:
    kind = _TYPES[field.kind]
    if kind is str:
        return Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_TEXT)]
    if kind is float and (field.minimum is not None or field.maximum is not None):
        return Annotated[float, msgspec.Meta(ge=field.minimum, le=field.maximum)]
    return kind


def _decoded(field: Field) -> tuple[str, Any] | tuple[str, Any, None]:
    kind = _annotated(field)
    return (field.name, kind) if field.is_required else (field.name, kind | None, None)


def _described(schema: dict[str, Any], meaning: str, example: Any, is_required: bool) -> dict[str, Any]:
    kind = {**schema, "type": [schema["type"], "null"]} if not is_required else schema
    return {**kind, "description": f"{meaning}.", "examples": [example]}


PREDICTIONS: Mapping[str, RequestType] = {
    name: RequestType(name, definition.fields, names_model=True) for name, definition in DEFINITIONS.items()
}
"""What /predict is asked, by model."""
