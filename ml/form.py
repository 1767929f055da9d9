"""The served form of a model: a folder that numpy and treelite can score from, without mlflow, pandas or scikit-learn.

`model.json` says what the model is; `trees.treelite` holds trees, `linear.npz` the weights of a logistic regression.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import treelite

from ml.errors import MlError
from ml.features.definitions import DEFINITIONS
from ml.features.encoder import Columns, Encoder, Floats

FORMAT = 1
_MODEL, _TREES, _LINEAR = "model.json", "trees.treelite", "linear.npz"


class Scorer(Protocol):
    """From encoded rows to probabilities, one column per class."""

    @property
    def kind(self) -> str:
        """Name of the sort of model, as `model.json` has it."""

    def probabilities(self, matrix: Floats) -> Floats:
        """A row of probabilities per row of the matrix."""

    def save(self, folder: Path) -> None:
        """Write the file that `load` needs."""


@dataclass(frozen=True)
class Trees:
    """A forest. `dtype`: what scikit-learn compares thresholds in, float32 for random forests."""

    model: treelite.Model
    dtype: str
    kind: str = "trees"

    def probabilities(self, matrix: Floats) -> Floats:
        """By treelite's own interpreter, in one thread."""
        found = treelite.gtil.predict(self.model, matrix.astype(self.dtype), nthread=1)
        found = np.asarray(found, dtype=np.float64).reshape(len(matrix), -1)
        return np.column_stack([1.0 - found[:, 0], found[:, 0]]) if found.shape[1] == 1 else found

    def save(self, folder: Path) -> None:
        """Treelite's serial format."""
        self.model.serialize(str(folder / _TREES))


@dataclass(frozen=True)
class Linear:
    """Logistic regression; scaling is part of the weights. One column of weights per class, or one for two classes."""

    weights: Floats
    intercepts: Floats
    kind: str = "linear"

    def probabilities(self, matrix: Floats) -> Floats:
        """Sigmoid for two classes, softmax for more."""
        margins = matrix @ self.weights + self.intercepts
        if margins.shape[1] == 1:
            margins = np.column_stack([np.zeros(len(margins)), margins[:, 0]])
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def save(self, folder: Path) -> None:
        """As numpy arrays."""
        np.savez(folder / _LINEAR, weights=self.weights, intercepts=self.intercepts)


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
            "dtype": self.scorer.dtype if isinstance(self.scorer, Trees) else "float64",
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
        return ServedModel(
            name=stored["model"],
            encoder=encoder,
            scorer=_scorer(folder, stored["scorer"], stored["dtype"]),
            classes=tuple(stored["classes"]),
            threshold=float(stored["threshold"]),
            facts=stored["facts"],
        )
    except (OSError, ValueError, KeyError, TypeError, treelite.TreeliteError) as error:
        raise MlError(f"{folder} holds no model that can be served: {error!r}. Train it again or roll back.") from error


def _scorer(folder: Path, kind: str, dtype: str) -> Scorer:
    if kind == "trees":
        return Trees(treelite.Model.deserialize(str(folder / _TREES)), dtype)
    with np.load(folder / _LINEAR, allow_pickle=False) as arrays:
        return Linear(arrays["weights"], arrays["intercepts"])


def greatest_difference(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> float:
    """How far two sets of probabilities are apart at most; infinite when they are of different shapes."""
    if left.shape != right.shape:
        return float("inf")
    return float(np.abs(left - right).max()) if left.size else 0.0
