"""How far a time is from its reference, and how easily chance alone would bring that about. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """`value`: the size of a difference, 0 for none; `chance`: the probability of one this large without drift."""

    value: float
    chance: float


def stability(expected: Floats, counts: Sequence[int], reference_rows: int) -> Distance:
    """The population stability index: the symmetric relative entropy of two sets of shares, by custom 0.1 for a small
    and 0.25 for a large shift.

    What it would be on average by chance, (places - 1) * (1 / rows + 1 / reference rows), is taken off, so that a
    small window does not look shifted. The chance is that of Pearson's statistic, both samples being uncertain.
    """
    observed = np.asarray(counts, dtype=np.float64)
    rows = observed.sum()
    shares = (observed + expected) / (rows + 1.0)
    noise = 1.0 / rows + 1.0 / reference_rows
    index = float(((shares - expected) * np.log(shares / expected)).sum()) - (len(expected) - 1) * noise
    statistic = float((((observed / rows - expected) ** 2) / expected).sum() / noise)
    return Distance(max(0.0, index), float(special.chdtrc(len(expected) - 1, statistic)))


def rarity(expected: float, count: int, rows: int, reference_rows: int) -> Distance:
    """How many times as frequent something rare has become, or how much rarer, as a logarithm.

    What is rare hardly moves the stability index, however many times it multiplies. The chance is that of two counts of
    one share: given their sum, the newer one is binomial.
    """
    before, part = expected * reference_rows, rows / (rows + reference_rows)
    more = float(special.betainc(count, before + 1.0, part)) if count else 1.0
    fewer = 1.0 - float(special.betainc(count + 1.0, before, part)) if before else 1.0
    return Distance(abs(math.log((count + 0.5) / (expected * rows + 0.5))), min(1.0, 2.0 * min(more, fewer)))


def off_calibration(
    predicted: float, observed: float, variance: float, rows: int, before: tuple[float, float], reference_rows: int
) -> Distance:
    """How far the share of positives is from the mean prediction, in log odds; what was so in the reference too is
    taken off. `predicted`, `observed` and its `variance`: sums over the rows; `before`: mean prediction
    and share then."""
    gap = _gap(predicted / rows, (observed + 0.5) / (rows + 1.0)) - _gap(*before)
    now, then = _steepness(predicted / rows), _steepness(before[1])
    error = math.sqrt(max(variance, 1.0) / (rows * now) ** 2 + 1.0 / (reference_rows * then))
    return Distance(abs(gap), math.erfc(abs(gap) / error / math.sqrt(2.0)))


def worse_loss(loss: float, rows: int, before: float, spread: float, reference_rows: int) -> Distance:
    """The relative growth of the mean log loss; 0 when it became better. `loss`: the sum over the rows."""
    error = max(spread * math.sqrt(1.0 / rows + 1.0 / reference_rows), 1e-12)
    z = (loss / rows - before) / error
    return Distance(max(0.0, loss / rows / max(before, 1e-12) - 1.0), 0.5 * math.erfc(z / math.sqrt(2.0)))


def _gap(predicted: float, observed: float) -> float:
    return _log_odds(observed) - _log_odds(predicted)


def _log_odds(share: float) -> float:
    bounded = _bounded(share)
    return math.log(bounded / (1.0 - bounded))


def _steepness(share: float) -> float:
    """The variance of one row, and so how much a share moves for a change of its log odds."""
    bounded = _bounded(share)
    return bounded * (1.0 - bounded)


def _bounded(share: float) -> float:
    return min(max(share, 1e-6), 1.0 - 1e-6)
