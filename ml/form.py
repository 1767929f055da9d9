"""The served form of a model: a folder that numpy and numba score from, without mlflow, pandas or scikit-learn.

`model.json` says what the model is; `trees.npz` holds trees, `linear.npz` the weights of a logistic regression.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ml.errors import MlError
from ml.features.definitions import DEFINITIONS
from ml.features.encoder import Columns, Encoder, Floats
from ml.trees import Trees, linked

FORMAT = 2
_MODEL, _LINEAR = "model.json", "linear.npz"


class Scorer(Protocol):
    """From encoded rows to probabilities, one column per class."""

    @property
    def kind(self) -> str:
        """Name of the sort of model, as `model.json` has it."""

    def probabilities(self, matrix: Floats) -> Floats:
        """A row of probabilities per row of the matrix."""

    def explained(self, row: Floats) -> tuple[Floats, Floats]:
        """Probabilities of the classes, and what each column added to each class's; for two classes to the second's."""

    @property
    def dtype(self) -> str:
        """In what features are compared or weighed: float32 or float64."""

    @property
    def width(self) -> int:
        """How many columns a row must have at least."""

    def save(self, folder: Path) -> None:
        """Write the file that `load` needs."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Logistic regression; scaling is part of the weights. One column of weights per class, or one for two classes.

    `means`: the mean of each column in training, from which the additions of a row are counted.
    """

    weights: Floats
    intercepts: Floats
    means: Floats
    kind: str = "linear"
    dtype: str = "float64"

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together. Raises ValueError."""
        columns, outputs = self.weights.shape
        if self.intercepts.shape != (outputs,) or self.means.shape != (columns,):
            raise ValueError("the weights, intercepts and means do not fit together")
        if not all(np.isfinite(one).all() for one in (self.weights, self.intercepts, self.means)):
            raise ValueError("a weight is not a finite number")

    @property
    def width(self) -> int:
        """How many columns a row must have."""
        return len(self.weights)

    def probabilities(self, matrix: Floats) -> Floats:
        """Sigmoid for two classes, softmax for more."""
        return linked(matrix @ self.weights + self.intercepts)

    def explained(self, row: Floats) -> tuple[Floats, Floats]:
        """An addition is the weight times the distance to the mean row, in log-odds."""
        probabilities = self.probabilities(row[np.newaxis])[0]
        return probabilities, ((row - self.means)[:, np.newaxis] * self.weights).T

    def save(self, folder: Path) -> None:
        """As numpy arrays."""
        np.savez(folder / _LINEAR, weights=self.weights, intercepts=self.intercepts, means=self.means)

    @classmethod
    def load(cls, folder: Path) -> "Linear":
        """The weights of a folder. Raises OSError, ValueError or KeyError when they are damaged."""
        with np.load(folder / _LINEAR, allow_pickle=False) as stored:
            return cls(stored["weights"], stored["intercepts"], stored["means"])


@dataclass(frozen=True)
class ServedModel:
    """All that serving needs of one version.

    `threshold` turns a probability into yes or no; `facts` say what a policy needs beside it and where it came from.
    """

    name: str
    encoder: Encoder
    scorer: Scorer
    classes: tuple[str, ...]
    threshold: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, columns: Columns) -> Floats:
        """One column per class, for requests column by column."""
        return self.scorer.probabilities(self.encoder.matrix(columns))

    def probabilities_of(self, requests: Sequence[Mapping[str, Any]]) -> Floats:
        """The same for requests one by one, as serving gets them."""
        return self.scorer.probabilities(np.array([self.encoder.row(request) for request in requests]))

    def save(self, folder: Path) -> None:
        """Write the folder that `load` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        self.scorer.save(folder)
        described = {
            "format": FORMAT,
            "model": self.name,
            "scorer": self.scorer.kind,
            "dtype": self.scorer.dtype,
            "features": self.encoder.features,
            "encoder": self.encoder.to_json(),
            "classes": self.classes,
            "threshold": self.threshold,
            "facts": self.facts,
        }
        (folder / _MODEL).write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")


def load(folder: Path) -> ServedModel:
    """A served model from its folder. Raises MlError when a file is missing, damaged or of another definition."""
    try:
        stored = json.loads((folder / _MODEL).read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise MlError(f"{folder} has format {stored['format']}, this program reads {FORMAT}: train it again.")
        encoder = Encoder.from_json(DEFINITIONS[stored["model"]], stored["encoder"])
        if list(encoder.features) != stored["features"]:
            raise MlError(f"{folder} was trained by another definition of {stored['model']}: train it again.")
        scorer = _scorer(folder, stored["scorer"], stored["dtype"])
        if scorer.width > len(encoder.features):
            raise ValueError(f"it asks for {scorer.width} columns where a request has {len(encoder.features)}")
        if not 0.0 <= float(stored["threshold"]) <= 1.0:
            raise ValueError(f"the threshold {stored['threshold']} is no probability")
        return ServedModel(
            name=stored["model"],
            encoder=encoder,
            scorer=scorer,
            classes=tuple(stored["classes"]),
            threshold=float(stored["threshold"]),
            facts=stored["facts"],
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise MlError(f"{folder} holds no model that can be served: {error!r}. Train it again or roll back.") from error


def _scorer(folder: Path, kind: str, dtype: str) -> Scorer:
    match kind:
        case "trees":
            return Trees.load(folder, dtype)
        case "linear":
            return Linear.load(folder)
    raise ValueError(f"unknown scorer {kind!r}")


def greatest_difference(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> float:
    """How far two sets of probabilities are apart at most; infinite when they are of different shapes."""
    if left.shape != right.shape:
        return float("inf")
    return float(np.abs(left - right).max()) if left.size else 0.0
