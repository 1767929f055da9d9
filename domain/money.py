"""Amounts as integers of the currency's minor unit, and their worth in US cents."""

import math

from domain.contracts import reference


def minor_unit_exponent(currency: str) -> int:
    """Decimal places of the currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD (ISO 4217)."""
    return int(reference()["minor_unit_exponents"].get(currency, 2))


def to_minor(amount: float, currency: str) -> int:
    """An amount in units as an integer of minor units, halves rounded up."""
    units: int = 10 ** minor_unit_exponent(currency)
    return math.floor(amount * units + 0.5)


def to_usd_minor(amount: float, currency: str) -> int | None:
    """An amount in US cents at the fixed reporting rate; None for a currency without one."""
    rate = reference()["currencies"].get(currency)
    return None if rate is None else math.floor(amount * rate * 100 + 0.5)
