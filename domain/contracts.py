"""Typed access to the data in contracts/, read once per process."""

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal


@dataclass(frozen=True)
class Channel:
    """One Kafka topic and the record on it."""

    name: str
    schema: str
    key: str

    @property
    def subject(self) -> str:
        """Name under which the registry keeps the topic's value schema."""
        return f"{self.name}-value"


@dataclass(frozen=True)
class Topic(Channel):
    """A topic that the stream reads: its identity columns and its Delta tables."""

    event_id: str
    event_time: str
    bronze: str
    silver: str


@dataclass(frozen=True)
class Expectation:
    """One declared property of a record and what happens when it does not hold."""

    name: str
    check: Literal[
        "present", "known", "positive", "between", "matches", "listed", "since", "arrived", "clean", "small", "short"
    ]
    action: Literal["drop", "warn"]
    column: str | None = None
    min: float | str | None = None
    max: float | None = None
    pattern: str | None = None
    table: str | None = None
    max_ahead_seconds: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Band:
    """Values under `below` (all that are left, when None) are called `value`."""

    value: str
    below: float | None = None


@dataclass(frozen=True)
class DeclineReason:
    """An entry of the decline taxonomy."""

    code: str
    kind: Literal["soft", "hard"]
    recovery_rate: float
    wait_minutes: int
    meaning: str


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((files("contracts") / name).read_text(encoding="utf-8"))


@cache
def topics() -> dict[str, Topic]:
    """The topics that the stream reads, by name."""
    return {name: Topic(name=name, **row) for name, row in _toml("topics.toml")["topics"].items()}


@cache
def outputs() -> dict[str, Channel]:
    """The topics that the platform itself writes, by name."""
    return {name: Channel(name=name, **row) for name, row in _toml("topics.toml")["outputs"].items()}


@cache
def documents() -> tuple[str, ...]:
    """The topics of plain JSON, which have no schema."""
    return tuple(_toml("topics.toml")["documents"])


def channels() -> dict[str, Channel]:
    """Every topic there has to be, by name."""
    return {**topics(), **outputs()}


@cache
def topic_settings() -> dict[str, Any]:
    """Settings shared by all topics: `compatibility`, `max_message_bytes`."""
    settings: dict[str, Any] = _toml("topics.toml")["settings"]
    return settings


@cache
def avro_schema_text(topic: str) -> str:
    """The Avro schema of a topic's records, as JSON text."""
    return (files("contracts") / "avro" / channels()[topic].schema).read_text(encoding="utf-8")


@cache
def avro_schema(topic: str) -> dict[str, Any]:
    """The Avro schema of a topic's records, parsed."""
    schema: dict[str, Any] = json.loads(avro_schema_text(topic))
    return schema


@cache
def expectations(topic: str) -> tuple[Expectation, ...]:
    """What is expected of a record of this topic, in order."""
    rows = _toml("expectations.toml").get(topic, {}).get("expectations", [])
    return tuple(Expectation(**row) for row in rows)


@cache
def rules() -> dict[str, Any]:
    """The whole of rules.toml."""
    return _toml("rules.toml")


@cache
def bands(table: str, name: str) -> tuple[Band, ...]:
    """A banded rule such as ('payments', 'risk_tier')."""
    return tuple(Band(**row) for row in rules()[table][name])


@cache
def reference() -> dict[str, Any]:
    """The whole of reference.toml."""
    return _toml("reference.toml")


@cache
def decline_reasons() -> dict[str, DeclineReason]:
    """The decline taxonomy by code."""
    return {code: DeclineReason(code=code, **row) for code, row in reference()["decline_reasons"].items()}
