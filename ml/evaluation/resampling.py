"""How sure a figure is: resampling whole hours, since what happens within one hangs together."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.policy import promotion

Floats = npt.NDArray[np.float64]
Combine = Callable[[Floats], Floats]
"""From sums of statistics (one row per resample) to one figure per resample."""
SEED = 23


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds that hold the stated share of its resamples; NaN where there are too few hours."""

    value: float
    low: float
    high: float

    @property
    def bounds(self) -> str:
        """Both, for people; empty where they are not known."""
        return "" if math.isnan(self.low) else f"{self.low:.4f} to {self.high:.4f}"

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.bounds or 'nobody knows how sure: too few hours'})"


def mean(sums: Floats) -> Floats:
    """Of statistics (value, 1)."""
    return np.asarray(sums[:, 0] / sums[:, 1])


def with_ones(values: Floats) -> Floats:
    """The statistics that `mean` needs."""
    return np.column_stack([values, np.ones(len(values))])


def resample(statistics: Floats, hours: npt.NDArray[np.int64], combine: Combine) -> Floats:
    """The figure of each resample of hours; `statistics` has a row per row of data."""
    _, block = np.unique(hours, return_inverse=True)
    blocks = int(block.max()) + 1
    sums = np.column_stack([np.bincount(block, column, blocks) for column in statistics.T])
    weights = np.random.default_rng(SEED).multinomial(blocks, [1.0 / blocks] * blocks, promotion().resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(combine(np.asarray(weights @ sums, dtype=np.float64)))


def interval(statistics: Floats, hours: npt.NDArray[np.int64], combine: Combine = mean) -> Interval:
    """The figure of the data, with the bounds of the confidence of contracts/models.toml."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(np.nan_to_num(combine(statistics.sum(axis=0, keepdims=True)))[0])
    if len(np.unique(hours)) < promotion().least_hours:
        return Interval(value, math.nan, math.nan)
    tail = (1.0 - promotion().confidence) / 2
    low, high = np.quantile(resample(statistics, hours, combine), [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))


def f1(sums: Floats) -> Floats:
    """Of statistics (hit, flagged, positive)."""
    return np.asarray(2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]))


def f1_statistics(score: Floats, positive: npt.NDArray[np.bool_], threshold: float) -> Floats:
    """The statistics that `f1` needs."""
    flagged = score >= threshold
    return np.column_stack([flagged & positive, flagged, positive]).astype(np.float64)
