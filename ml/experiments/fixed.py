"""The test with a sample size that is settled before: powerful, and right at that size only."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from ml.experiments.arms import Arm, Interval

_NORMAL = NormalDist()


@dataclass(frozen=True)
class FixedTest:
    """The difference of two shares. `p_value`: two-sided, by the pooled z statistic; the interval is Newcombe's."""

    difference: Interval
    p_value: float


def needed_units(baseline: float, effect: float, alpha: float, power: float, ratio: float = 1.0) -> tuple[int, int]:
    """Units of champion and challenger by which an effect is found with this power.

    `effect`: absolute difference of shares; `ratio`: challengers per champion. Raises ValueError for shares outside
    (0, 1), and for an effect of 0.
    """
    other = baseline + effect if baseline + effect < 1.0 else baseline - effect
    if not (0.0 < baseline < 1.0 and 0.0 < other < 1.0 and effect and ratio > 0.0):
        raise ValueError(f"no sample size finds an effect of {effect:g} on {baseline:g}")
    pooled = (baseline + ratio * other) / (1.0 + ratio)
    by_chance = _NORMAL.inv_cdf(1.0 - alpha / 2.0) * math.sqrt(pooled * (1.0 - pooled) * (1.0 + 1.0 / ratio))
    missed = _NORMAL.inv_cdf(power) * math.sqrt(baseline * (1.0 - baseline) + other * (1.0 - other) / ratio)
    champion = ((by_chance + missed) / effect) ** 2
    return math.ceil(champion), math.ceil(ratio * champion)


def compare(champion: Arm, challenger: Arm, alpha: float) -> FixedTest:
    """Challenger minus champion. Raises ValueError when an arm has no unit."""
    if not champion.units or not challenger.units:
        raise ValueError("an arm without units cannot be compared")
    pooled = (champion.successes + challenger.successes) / (champion.units + challenger.units)
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / champion.units + 1.0 / challenger.units))
    difference = challenger.share - champion.share
    p_value = math.erfc(abs(difference) / error / math.sqrt(2.0)) if error else 1.0
    z = _NORMAL.inv_cdf(1.0 - alpha / 2.0)
    ours, theirs = _wilson(challenger, z), _wilson(champion, z)
    low = difference - math.hypot(challenger.share - ours[0], theirs[1] - champion.share)
    high = difference + math.hypot(ours[1] - challenger.share, champion.share - theirs[0])
    return FixedTest(Interval(difference, low, high), p_value)


def _wilson(arm: Arm, z: float) -> tuple[float, float]:
    """Bounds of one share."""
    n, share = arm.units, arm.share
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - reach, middle + reach
