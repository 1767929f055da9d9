"""Trees as flat arrays, walked by compiled code: a row's probabilities and what each feature added, in one pass.

A node's value is what the tree answers when it stops there; a step from a node to its child is due to the feature that
the node asks for, and adds the difference of the two values (Saabas, 2014). So what was added and the values of the
roots sum up to the answer.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from ml import kernels
from ml.errors import MlError

Floats = npt.NDArray[np.float64]
Link = Literal["logistic", "mean"]
FILE = "trees.npz"
_ARRAYS = ("feature", "threshold", "left", "right", "missing_left", "value", "roots", "outputs", "baseline")
LEAF = -1
"""What a leaf has in the place of a feature."""


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees of any number, flat: `left` and `right` are places of nodes, `roots` those where trees begin.

    `outputs`: to which margin each tree adds. `baseline`: what margins begin with. `link`: "logistic" for boosting,
    whose margins are log-odds, "mean" for forests, whose margins are probabilities; one for two classes, else one each.
    `dtype`: in what scikit-learn compares features with thresholds, float32 for forests.
    """

    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    missing_left: npt.NDArray[np.bool_]
    value: Floats
    roots: npt.NDArray[np.int32]
    outputs: npt.NDArray[np.int32]
    baseline: Floats
    link: Link
    dtype: str
    kind: str = "trees"

    def __post_init__(self) -> None:
        """Refuse arrays that a walk would leave or never end in: compiled code checks no bounds. Raises ValueError."""
        count, margins = len(self.feature), len(self.baseline)
        inner = np.flatnonzero(self.feature != LEAF)
        children = np.concatenate([self.left[inner], self.right[inner]])
        sound = (
            count > 0
            and all(len(one) == count for one in (self.threshold, self.left, self.right, self.missing_left, self.value))
            and len(self.roots) == len(self.outputs) > 0
            and np.isin(self.roots, np.arange(count)).all()
            and np.isin(self.outputs, np.arange(margins)).all()
            and (self.feature >= LEAF).all()
            # Children come after their parent: no walk can go in circles.
            and (children > np.concatenate([inner, inner])).all()
            and (children < count).all()
            and not np.isnan(self.threshold).any()
            and np.isfinite(self.value).all()
            and np.isfinite(self.baseline).all()
        )
        if not sound:
            raise ValueError("the arrays of the trees do not fit together")

    @cached_property
    def width(self) -> int:
        """How many columns a row must have at least."""
        return int(self.feature.max()) + 1

    def probabilities(self, matrix: Floats) -> Floats:
        """A row of probabilities, one per class, for each row of the matrix."""
        margins = np.repeat(self.baseline[np.newaxis], len(matrix), axis=0)
        kernels.walk(self._rows(matrix), *self._walked, margins)
        return linked(margins, self._shares)

    def explained(self, row: Floats) -> tuple[Floats, Floats]:
        """Probabilities of the classes, and what each column of the row added: to the log-odds, or to the probability.

        One row of additions per class; with two classes that of the second alone.
        """
        probabilities = np.empty(self._classes)
        added = np.zeros((len(self.baseline), len(row)))
        kernels.explain(self._rows(row), *self._walked, self.baseline, self._shares, probabilities, added)
        return probabilities, added

    @cached_property
    def _walked(self) -> tuple[npt.NDArray[Any], ...]:
        return (
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.missing_left,
            self.value,
            self.roots,
            self.outputs,
        )

    @cached_property
    def _classes(self) -> int:
        return max(2, len(self.baseline))

    @cached_property
    def _shares(self) -> float:
        """How many trees share in a margin that is their mean; 0 where margins are log-odds."""
        return len(self.roots) / len(self.baseline) if self.link == "mean" else 0.0

    def _rows(self, matrix: Floats) -> Floats:
        if matrix.shape[-1] < self.width:
            raise MlError(f"The model asks for {self.width} columns, the row has {matrix.shape[-1]}.")
        return matrix.astype(np.float32).astype(np.float64) if self.dtype == "float32" else matrix

    def save(self, folder: Path) -> None:
        """As numpy arrays."""
        np.savez_compressed(folder / FILE, **{name: getattr(self, name) for name in _ARRAYS}, link=np.array(self.link))

    @classmethod
    def load(cls, folder: Path, dtype: str) -> "Trees":
        """The trees of a folder. Raises OSError, ValueError or KeyError when they are damaged."""
        with np.load(folder / FILE, allow_pickle=False) as stored:
            link = cast(Link, str(stored["link"]))
            if link not in ("logistic", "mean"):
                raise ValueError(f"unknown link {link!r}")
            return cls(**{name: stored[name] for name in _ARRAYS}, link=link, dtype=dtype)


def linked(margins: Floats, shares: float = 0.0) -> Floats:
    """Probabilities of the classes from log-odds, or from the sums of `shares` trees each."""
    probabilities = np.empty((len(margins), max(2, margins.shape[1])))
    kernels.link(margins, shares, probabilities)
    return probabilities
