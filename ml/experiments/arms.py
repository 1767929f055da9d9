"""The arms of an experiment, counted."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """`keys`: that the split sent here; `units`: of these with known outcome; `successes` among the units."""

    name: str
    keys: int
    units: int
    successes: int

    @property
    def share(self) -> float:
        """Successes among units; NaN without any."""
        return self.successes / self.units if self.units else math.nan

    @property
    def variance(self) -> float:
        """Of the share; a little too large for few units, and never 0."""
        smoothed = (self.successes + 0.5) / (self.units + 1.0)
        return smoothed * (1.0 - smoothed) / max(1, self.units)


@dataclass(frozen=True)
class Interval:
    """A difference of shares with its bounds."""

    value: float
    low: float
    high: float
