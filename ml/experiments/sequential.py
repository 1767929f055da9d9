"""The test that may be looked at at any time: a mixture of sequential probability ratios (mSPRT).

The likelihood of a normal difference, averaged over effects of N(0, scale²), beside that of no difference: a martingale
when there is none, so that the chance that it ever exceeds 1/alpha is at most alpha (Ville). Shares of at least a few
hundred units are near enough to normal; before that it says nothing.
"""

import math
from dataclasses import dataclass

from ml.experiments.arms import Arm, Interval

LEAST_UNITS = 200
LEAST_OF_EACH = 10
"""Successes and failures that each arm must have."""


@dataclass(frozen=True)
class SequentialTest:
    """`difference`: with bounds that hold at all times at once; `p_value`: always valid."""

    difference: Interval
    p_value: float


def compare(champion: Arm, challenger: Arm, alpha: float, scale: float) -> SequentialTest | None:
    """Challenger minus champion; None while there is too little. `scale`: the effect that it is sharpest for."""
    if not all(_is_enough(one) for one in (champion, challenger)):
        return None
    difference = challenger.share - champion.share
    variance, prior = champion.variance + challenger.variance, scale * scale
    total = variance + prior
    log_ratio = prior * difference**2 / (2.0 * variance * total) - 0.5 * math.log(total / variance)
    reach = math.sqrt(variance * total / prior * (2.0 * math.log(1.0 / alpha) + math.log(total / variance)))
    bounds = Interval(difference, max(-1.0, difference - reach), min(1.0, difference + reach))
    return SequentialTest(bounds, min(1.0, math.exp(-log_ratio)))


def _is_enough(arm: Arm) -> bool:
    return arm.units >= LEAST_UNITS and min(arm.successes, arm.units - arm.successes) >= LEAST_OF_EACH
