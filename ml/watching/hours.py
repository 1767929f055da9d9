"""An hour of one model version: what it was asked, what it answered, and how right it was, as counts and sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from ml.watching.figures import Floats
from ml.watching.reference import CELLS, cell


@dataclass(frozen=True)
class Outcomes:
    """Answers whose outcome is known. Sums over the rows: predicted, p(1-p), positives, log loss."""

    rows: int = 0
    predicted: float = 0.0
    variance: float = 0.0
    observed: float = 0.0
    loss: float = 0.0

    def __add__(self, other: "Outcomes") -> "Outcomes":
        return Outcomes(
            self.rows + other.rows,
            self.predicted + other.predicted,
            self.variance + other.variance,
            self.observed + other.observed,
            self.loss + other.loss,
        )


@dataclass(frozen=True)
class Hour:
    """`number`: hours since 1970. `counts`: by feature and place, of at most so many requests as were looked at."""

    number: int
    rows: int
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=Outcomes)

    @property
    def at(self) -> datetime:
        """Its beginning."""
        return instant(self.number)


def instant(number: int) -> datetime:
    """The beginning of an hour since 1970."""
    return datetime.fromtimestamp(number * 3600, UTC)


def number_of(at: datetime) -> int:
    """The hour since 1970 that an instant lies in."""
    return int(at.timestamp()) // 3600


def trailing(
    hours: Sequence[Hour], until: int, rows: Sequence[int], least: int, longest: int, needed: int
) -> list[int]:
    """Places of the newest hours up to one: `least` hours, and more until they hold `needed` rows, at most `longest`.

    `rows`: how many each hour holds. Empty when they do not hold enough.
    """
    chosen: list[int] = []
    total = 0
    for place in range(len(hours) - 1, -1, -1):
        age = until - hours[place].number
        if age < 0:
            continue
        if age >= longest or (age >= least and total >= needed):
            break
        chosen.append(place)
        total += rows[place]
    return chosen if total >= needed else []


def weights(hours: Sequence[Hour], feature: str) -> Floats:
    """How many requests fell into each cell of the week."""
    found = np.zeros(CELLS)
    for one in hours:
        found[cell(one.at)] += sum(one.counts.get(feature, ()))
    return found
