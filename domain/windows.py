"""The windowed gold tables: typed access to contracts/windows.toml, and the arithmetic of windows.

Instants are microseconds since the epoch, UTC.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """A key or a measure, and what it means."""

    name: str
    type: Literal["integer", "long", "double", "boolean", "text", "texts"]
    meaning: str


@dataclass(frozen=True)
class Threshold:
    """A reason to suspect: a measure that reaches `at_least`."""

    name: str
    column: str
    at_least: int


@dataclass(frozen=True)
class Window:
    """One windowed table."""

    name: str
    delta: str
    live: str
    width_us: int
    slide_us: int
    keys: tuple[Column, ...]
    measures: tuple[Column, ...]
    retention_us: int

    @property
    def overlap(self) -> int:
        """How many windows each event is in."""
        return self.width_us // self.slide_us

    def starts(self, event_us: int) -> list[int]:
        """The starts of the windows that an event belongs to, the newest first."""
        opened = event_us - event_us % self.slide_us
        return [opened - back * self.slide_us for back in range(self.overlap)]

    def starts_between(self, first_us: int, end_us: int) -> list[int]:
        """The starts of all windows that share an instant with [first, end)."""
        earliest = min(self.starts(first_us))
        return list(range(earliest, end_us, self.slide_us))


def instant(micros: int) -> datetime:
    """Microseconds since the epoch as an instant."""
    return _EPOCH + timedelta(microseconds=micros)


def micros(at: datetime) -> int:
    """And back."""
    return (at - _EPOCH) // timedelta(microseconds=1)


@cache
def windows() -> dict[str, Window]:
    """All windowed tables by name. Raises ValueError for a width that is no multiple of its slide."""
    return {name: _window(name, row) for name, row in _contract()["tables"].items()}


@cache
def suspicion() -> tuple[Threshold, ...]:
    """What makes a customer's window suspicious, in the order in which reasons are listed."""
    return tuple(Threshold(**row) for row in _contract()["suspicion"])


@cache
def _contract() -> dict[str, Any]:
    return tomllib.loads((files("contracts") / "windows.toml").read_text(encoding="utf-8"))


def _window(name: str, row: dict[str, Any]) -> Window:
    if row["slide_minutes"] <= 0 or row["width_minutes"] % row["slide_minutes"]:
        raise ValueError(f"contracts/windows.toml: the width of {name} is no multiple of its slide")
    return Window(
        name=name,
        delta=row["delta"],
        live=row["live"],
        width_us=row["width_minutes"] * MINUTE_US,
        slide_us=row["slide_minutes"] * MINUTE_US,
        keys=tuple(map(_column, row["keys"])),
        measures=tuple(map(_column, row["measures"])),
        retention_us=row["retention_hours"] * HOUR_US,
    )


def _column(name: str) -> Column:
    return Column(name=name, **_contract()["columns"][name])
