"""Which column of a person's file becomes which field of a topic's record."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from domain.contracts import avro_schema, topics
from producer.coercion import Coercion, coercion_for, is_missing, to_epoch_ms, to_iso
from producer.errors import ProducerError


@dataclass(frozen=True)
class Flaw:
    """Why a row cannot be sent."""

    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class _Field:
    name: str
    column: str | None
    constant: Any
    is_required: bool
    default: Any
    coerce: Coercion


class RecordMapping:
    """Maps rows onto records of one topic."""

    def __init__(self, topic: str, columns: list[str], mapped: Mapping[str, str], constants: Mapping[str, Any]) -> None:
        """`mapped`: column to field; columns named like a field need no entry. `constants`: field to value.

        Raises ProducerError when a column or field does not exist or a required field has no source.
        """
        self.topic = topic
        fields = [field["name"] for field in avro_schema(topic)["fields"]]
        _require_known("column", mapped, columns, "the file")
        _require_known("field", [*mapped.values(), *constants], fields, topic)
        sources = {name: name for name in columns if name in fields} | {
            field: column for column, field in mapped.items()
        }
        self._fields = [_field(topic, schema, sources, constants) for schema in avro_schema(topic)["fields"]]
        _require_sources(self._fields, columns, topic)

    def record(self, number: int, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[Flaw]]:
        """The record of a row, and what is wrong with it; only a flawless one can be sent."""
        record: dict[str, Any] = {}
        flaws: list[Flaw] = []
        for field in self._fields:
            value = field.constant if field.column is None else row.get(field.column)
            try:
                record[field.name] = _value(field, value)
            except ValueError as error:
                flaws.append(Flaw(number, field.column or field.name, "" if value is None else str(value), str(error)))
        return record, flaws

    def event_time_ms(self, record: Mapping[str, Any]) -> int:
        """When the record says it happened."""
        return to_epoch_ms(record[topics()[self.topic].event_time])


def read_mapping(
    options: Iterable[str], constants: Iterable[str], file: Path | None
) -> tuple[dict[str, str], dict[str, Any]]:
    """Columns and constants: COLUMN=FIELD and FIELD=VALUE options on top of a TOML file's [columns], [constants]."""
    try:
        base = {} if file is None else tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProducerError(f"--mapping {file} cannot be read: {error}") from error
    unknown = set(base) - {"columns", "constants"}
    if unknown:
        raise ProducerError(
            f"--mapping {file}: only [columns] and [constants] are known, not {', '.join(sorted(unknown))}."
        )
    mapped = base.get("columns", {}) | _pairs("--map", "COLUMN=FIELD", options)
    return mapped, base.get("constants", {}) | _pairs("--set", "FIELD=VALUE", constants)


def _pairs(option: str, form: str, texts: Iterable[str]) -> dict[str, str]:
    pairs = [text.rpartition("=") if option == "--map" else text.partition("=") for text in texts]
    for left, sign, right in pairs:
        if not (left and sign and right):
            raise ProducerError(f"{option} {left}{sign}{right}: write it as {form}.")
    return {left: right for left, _, right in pairs}


def _field(topic: str, schema: Mapping[str, Any], sources: Mapping[str, str], constants: Mapping[str, Any]) -> _Field:
    name = schema["name"]
    is_time_text = name == topics()[topic].event_time and schema["type"] == "string"
    return _Field(
        name=name,
        column=None if name in constants else sources.get(name),
        constant=constants.get(name),
        is_required="default" not in schema,
        default=schema.get("default"),
        coerce=to_iso if is_time_text else coercion_for(schema["type"]),
    )


def _value(field: _Field, value: Any) -> Any:
    if is_missing(value):
        if field.is_required:
            raise ValueError("is empty")
        return field.default
    return field.coerce(value)


def _require_known(what: str, names: Iterable[str], known: list[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise ProducerError(
                f"There is no {what} {name!r} in {where}{_nearest(name, known)} It has: {', '.join(known)}."
            )


def _require_sources(fields: Iterable[_Field], columns: list[str], topic: str) -> None:
    missing = [one.name for one in fields if one.is_required and one.column is None and is_missing(one.constant)]
    if missing:
        first = missing[0]
        raise ProducerError(
            f"No column gives {', '.join(missing)} of {topic}{_nearest(first, columns)} "
            f"Map one with --map COLUMN={first}, or give all rows one value with --set {first}=VALUE. "
            f"The file has: {', '.join(columns)}."
        )


def _nearest(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {matches[0]!r}?" if matches else "."
