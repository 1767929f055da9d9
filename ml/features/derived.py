"""Functions from cleaned values to features. Each takes None for what is missing and gives None where it cannot say."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from domain.contracts import reference

RATES: dict[str, float] = reference()["currencies"]
AMOUNT_STEPS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
WAIT_STEPS = (
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    30.0,
    45.0,
    60.0,
    120.0,
    360.0,
    720.0,
    1200.0,
    1440.0,
    2160.0,
)

SCORE_STEPS = tuple(step / 20 for step in range(1, 20))


def same(value: float | None) -> float | None:
    """The value itself."""
    return value


def flag(value: bool | None) -> float | None:
    """1 for true, 0 for false."""
    return None if value is None else float(value)


def log(value: float | None) -> float | None:
    """log(1 + value), for what spans several magnitudes; None below 0."""
    return None if value is None or value < 0.0 else math.log1p(value)


def ratio(part: float | None, whole: float | None) -> float | None:
    """log(part / whole); None unless both are above 0, and where the quotient is beyond what a number can hold."""
    if not part or not whole or part <= 0.0 or whole <= 0.0:
        return None
    quotient = part / whole
    return math.log(quotient) if 0.0 < quotient < math.inf else None


def to_mean(amount: float | None, sum_cents: float | None, count: float | None) -> float | None:
    """How large an amount is beside the mean of those before, as a logarithm; None for the first."""
    return None if not sum_cents or not count else ratio(amount, sum_cents / 100.0 / count)


def usd(amount: float | None, currency: str | None) -> float | None:
    """An amount in US dollars at the fixed reporting rate; None for a currency without one, or an absurd amount."""
    rate = RATES.get(currency) if currency is not None else None
    if amount is None or rate is None:
        return None
    dollars = amount * rate
    return dollars if dollars < math.inf else None


def log_usd(amount: float | None, currency: str | None) -> float | None:
    """log(1 + dollars)."""
    return log(usd(amount, currency))


def hour(at: datetime | None) -> float | None:
    """Hour of the day, UTC."""
    return None if at is None else float(at.hour)


def weekday(at: datetime | None) -> float | None:
    """ISO day of the week, UTC: Monday is 1."""
    return None if at is None else float(at.isoweekday())


def differs(left: str | None, right: str | None) -> float | None:
    """1 when two texts differ, 0 when they are the same."""
    return None if left is None or right is None else float(left != right)


def text(value: str | None) -> str | None:
    """The category itself."""
    return value


def pair(left: str | None, right: str | None) -> str | None:
    """Both categories as one; None when either is missing."""
    return None if left is None or right is None else f"{left}|{right}"


def quarter(at: datetime | None) -> str | None:
    """Quarter of the day, UTC: 0-5, 6-11, 12-17, 18-23."""
    return None if at is None else f"{at.hour // 6 * 6}h"


def pair_with_quarter(category: str | None, at: datetime | None) -> str | None:
    """A category in this quarter of the day."""
    return pair(category, quarter(at))


def pair_with_hour(category: str | None, at: datetime | None) -> str | None:
    """A category in this hour of the day."""
    return None if category is None or at is None else f"{category}|{at.hour}"


def pair_with_amount(category: str | None, amount: float | None, currency: str | None) -> str | None:
    """A category for amounts of this size, in steps of 1, 2, 5 dollars."""
    return pair(category, band(usd(amount, currency), AMOUNT_STEPS))


def pair_with_wait(category: str | None, minutes: float | None) -> str | None:
    """A category after a wait of this length."""
    return pair(category, band(minutes, WAIT_STEPS))


def band(value: float | None, steps: Sequence[float]) -> str | None:
    """The step at or below the value."""
    return None if value is None else str(bisect_right(steps, value))


def score_band(score: float | None) -> str | None:
    """A score 0..1 in steps of a twentieth."""
    return band(score, SCORE_STEPS)


def is_abroad(country_name: str | None, issuer_country: str | None) -> float | None:
    """1 when the customer is in another country than the card's issuer; the first goes by name, the second by code."""
    code = COUNTRY_CODES.get(country_name) if country_name is not None else None
    return differs(code, issuer_country)


COUNTRY_CODES: dict[str, str] = {one["name"]: one["code"] for one in reference()["countries"]}
