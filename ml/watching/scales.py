"""How the values of a feature are counted: in a few places, fixed when its reference was taken."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
MOST_VALUES, MOST_NAMES = 12, 20
QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Narrow at the ends: what is rare there, such as fraud, must not vanish in a wide step."""
OTHER, MISSING = "any other", "missing"


@dataclass(frozen=True)
class Steps:
    """A number. Places lie between the edges; the last one is for what is missing."""

    edges: tuple[float, ...]

    @classmethod
    def learn(cls, values: Sequence[float | None], also: Sequence[float] = ()) -> "Steps":
        """Edges half-way between the values where they are few, else at fixed quantiles and `also` at these."""
        known = np.array([value for value in values if value is not None], dtype=np.float64)
        distinct = np.unique(known)
        if len(distinct) <= MOST_VALUES:
            return cls(tuple(((distinct[:-1] + distinct[1:]) / 2).tolist()))
        return cls(tuple(np.unique(np.quantile(known, (*QUANTILES, *also))).tolist()))

    @property
    def labels(self) -> tuple[str, ...]:
        """Each place in words."""
        if not self.edges:
            return ("any value", MISSING)
        between = [f"{low:.4g} to {high:.4g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        return (f"below {self.edges[0]:.4g}", *between, f"{self.edges[-1]:.4g} and above", MISSING)

    def places(self, values: Sequence[float | None]) -> Counts:
        """The place of each value."""
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        found = np.searchsorted(self.edges, numbers, side="right")
        return np.where(np.isnan(numbers), len(self.edges) + 1, found).astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        """What `scale_from_json` reads."""
        return {"edges": list(self.edges)}


@dataclass(frozen=True)
class Names:
    """A name. The frequent ones have places of their own, all others share one; the last is for what is missing."""

    names: tuple[str, ...]

    @classmethod
    def learn(cls, values: Sequence[str | None]) -> "Names":
        """The most frequent names, in the order of the alphabet."""
        known = Counter(value for value in values if value is not None)
        return cls(tuple(sorted(name for name, _ in known.most_common(MOST_NAMES))))

    @property
    def labels(self) -> tuple[str, ...]:
        """Each place in words."""
        return (*self.names, OTHER, MISSING)

    def places(self, values: Sequence[str | None]) -> Counts:
        """The place of each value."""
        known: dict[str | None, int] = {name: place for place, name in enumerate(self.names)}
        known[None] = len(self.names) + 1
        return np.array([known.get(value, len(self.names)) for value in values], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """What `scale_from_json` reads."""
        return {"names": list(self.names)}


Scale = Steps | Names


def scale_from_json(stored: dict[str, Any]) -> Scale:
    """A scale again. Raises KeyError when it is none."""
    return Names(tuple(stored["names"])) if "names" in stored else Steps(tuple(map(float, stored["edges"])))
