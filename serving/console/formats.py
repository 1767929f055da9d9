"""Figures as people read them. static/format.js does the same in the browser."""

from decimal import Decimal

NOTHING = "–"
"""Shown where there is no figure."""

_SCALES = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K"))


def count(value: int | None) -> str:
    """1234567 → 1,234,567."""
    return NOTHING if value is None else f"{value:,}"


def percent(value: Decimal | None, digits: int = 2) -> str:
    """0.9182 → 91.82 %."""
    return NOTHING if value is None else f"{value * 100:.{digits}f}%"


def usd(value: Decimal | None) -> str:
    """1234567.8 → $1.23M; below a thousand with cents."""
    if value is None:
        return NOTHING
    for scale, letter in _SCALES:
        if value >= scale:
            return f"${value / scale:.2f}{letter}"
    return f"${value:.2f}"


def milliseconds(value: Decimal | None) -> str:
    """182.41 → 182 ms."""
    return NOTHING if value is None else f"{value:.0f} ms"


def wait(minutes: int | None) -> str:
    """1440 → 1 d, 90 → 1.5 h, 5 → 5 min."""
    if minutes is None:
        return NOTHING
    if minutes >= 1440:
        return f"{minutes / 1440:g} d"
    return f"{minutes / 60:g} h" if minutes >= 60 else f"{minutes} min"


def words(code: str) -> str:
    """insufficient_funds → Insufficient funds, 3ds_failed → 3DS failed."""
    return code.replace("_", " ").capitalize().replace("3ds", "3DS")
