"""What a model is asked with: fields, their types, and how a value that came from anywhere is made clean."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["number", "boolean", "category", "instant"]
Value = float | bool | str | datetime | None


@dataclass(frozen=True)
class Field:
    """One field of a request. A missing value is None; `is_required` says that a request without it is refused."""

    name: str
    kind: Kind
    meaning: str
    is_required: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def clean(self, value: Any) -> Value:
        """The value as features see it: None for what is missing, NaN, infinite or of another type."""
        return None if value is None else _CLEANERS[self.kind](value)

    def refusal(self, value: Any) -> str | None:
        """Why a request with this value cannot be answered; None when it can."""
        cleaned = self.clean(value)
        if cleaned is None:
            if value is not None:
                return f"{self.name} must be {_ARTICLES[self.kind]}, not {str(value)[:40]!r}"
            return f"{self.name} is missing" if self.is_required else None
        if isinstance(cleaned, float) and not _is_between(cleaned, self.minimum, self.maximum):
            return f"{self.name} must be {self._range()}, not {cleaned:g}"
        return None

    def _range(self) -> str:
        if self.maximum is None:
            return f"at least {self.minimum:g}"
        return f"between {self.minimum:g} and {self.maximum:g}"


_ARTICLES = {
    "number": "a finite number",
    "boolean": "true or false",
    "category": "a text that is not empty",
    "instant": "an instant, ISO 8601",
}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value != value:  # pandas' NaT is a datetime
        return None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:  # in UTC it would be before the year 1, or after 9999
        return None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _category(value: Any) -> str | None:
    return str(value) or None if isinstance(value, str) else None


_CLEANERS: dict[Kind, Callable[[Any], Value]] = {
    "number": _number,
    "boolean": _boolean,
    "category": _category,
    "instant": _instant,
}


def _is_between(value: float, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def refusals(fields: Iterable[Field], request: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a request; empty when it can be answered. Unknown fields are not looked at."""
    found = (field.refusal(request.get(field.name)) for field in fields)
    return [reason for reason in found if reason is not None]
