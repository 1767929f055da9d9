"""Turns the values of a person's file into the types of an Avro schema, or says why it cannot be done."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from producer.events import iso_text

Coercion = Callable[[Any], Any]
TRUE = {"true", "t", "yes", "y", "1"}
FALSE = {"false", "f", "no", "n", "0"}
RANGES = {"int": 2**31, "long": 2**63}
# Epoch numbers at or above this are taken for milliseconds, below for seconds (the year 5138).
FIRST_MILLISECONDS = 100_000_000_000
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def coercion_for(avro_type: Any) -> Coercion:
    """The function that makes values of this Avro type; it raises ValueError with the reason."""
    if isinstance(avro_type, list):
        inner = coercion_for(next(branch for branch in avro_type if branch != "null"))
        return lambda value: None if is_missing(value) else inner(value)
    if isinstance(avro_type, dict):
        is_instant = avro_type.get("logicalType") == "timestamp-millis"
        return to_epoch_ms if is_instant else coercion_for(avro_type["type"])
    if avro_type in RANGES:
        return lambda value: _to_integer(value, RANGES[avro_type])
    return {"string": to_text, "double": to_number, "float": to_number, "boolean": to_boolean}[avro_type]


def is_missing(value: Any) -> bool:
    """None, an empty cell, or Parquet's NaN."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def to_text(value: Any) -> str:
    """Any scalar as text."""
    if isinstance(value, dict | list | bytes):
        raise ValueError("is not text")
    text = value.isoformat() if isinstance(value, date) else str(value)
    if not text.isascii():
        _require_utf8(text)
    return text


def to_number(value: Any) -> float:
    """A finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("is not a number") from None
    if not math.isfinite(number):
        raise ValueError("is not a finite number")
    return number


def to_boolean(value: Any) -> bool:
    """true/false, yes/no, t/f, y/n, 1/0 in any case."""
    text = str(value).strip().lower()
    text = text.removesuffix(".0")
    if text not in TRUE | FALSE:
        raise ValueError("is neither true nor false")
    return text in TRUE


def to_epoch_ms(value: Any) -> int:
    """Milliseconds since 1970 of an ISO 8601 text, a date, or an epoch number in seconds or milliseconds."""
    instant = value if isinstance(value, datetime) else _instant(value)
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if not EARLIEST <= instant < LATEST:
        raise ValueError("is outside the years 1900 to 9998")
    return math.floor(instant.timestamp() * 1000 + 0.5)


def to_iso(value: Any) -> str:
    """The same instants as text, as the checkout's and the message's timestamps are."""
    return iso_text(to_epoch_ms(value))


def _instant(value: Any) -> datetime:
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _parsed(str(value))
    seconds = number / 1000 if abs(number) >= FIRST_MILLISECONDS else number
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError("is not an instant") from None


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("is neither ISO 8601 nor an epoch number") from None


def _to_integer(value: Any, limit: int) -> int:
    try:
        number = Decimal(str(value).strip())
        whole = int(number)
    except (ArithmeticError, ValueError):
        raise ValueError("is not a whole number") from None
    if whole != number:
        raise ValueError("is not a whole number")
    if not -limit <= whole < limit:
        raise ValueError("is too large")
    return whole


def _require_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
