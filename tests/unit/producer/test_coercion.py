"""Values of a person's file."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from producer.coercion import coercion_for, to_iso

INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    ("avro_type", "value", "expected"),
    [
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("boolean", 1, True),
        ("boolean", 0.0, False),
        ("boolean", True, True),
        ("int", "42", 42),
        ("int", 42.0, 42),
        ("long", "1e3", 1000),
        ("double", "12.50", 12.5),
        ("double", Decimal("12.5"), 12.5),
        ("string", 5, "5"),
        ("string", date(2026, 3, 1), "2026-03-01"),
        (["null", "double"], "", None),
        (["null", "double"], float("nan"), None),
        (["null", "string"], "x", "x"),
        (INSTANT, "2026-03-01T12:00:00Z", NOON),
        (INSTANT, "2026-03-01 13:00:00+01:00", NOON),
        (INSTANT, "2026-03-01T12:00:00", NOON),
        (INSTANT, "1772366400", NOON),
        (INSTANT, 1_772_366_400_000, NOON),
        (INSTANT, datetime(2026, 3, 1, 12, tzinfo=UTC), NOON),
        (INSTANT, date(2026, 3, 1), NOON - 43_200_000),
    ],
)
def test_values_become_the_schemas_type(avro_type: Any, value: Any, expected: Any) -> None:
    result = coercion_for(avro_type)(value)

    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("avro_type", "value", "why"),
    [
        ("boolean", "perhaps", "neither true nor false"),
        ("int", "4.5", "whole number"),
        ("int", 2**31, "too large"),
        ("int", "many", "whole number"),
        ("int", "inf", "whole number"),
        ("double", "abc", "not a number"),
        ("double", "inf", "finite"),
        ("string", {"a": 1}, "not text"),
        ("string", "\udcff", "UTF-8"),
        (INSTANT, "yesterday", "ISO 8601"),
        (INSTANT, "0001-01-01", "1900"),
        (INSTANT, 1e30, "not an instant"),
    ],
)
def test_what_cannot_be_converted_says_why(avro_type: Any, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        coercion_for(avro_type)(value)


def test_instants_can_be_written_as_text() -> None:
    assert to_iso(NOON) == "2026-03-01T12:00:00.000Z"
