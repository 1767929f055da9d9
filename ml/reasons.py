"""Why a model answered as it did: what each feature of a request added, the strongest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ml.features.definition import Feature
from ml.features.encoder import Floats
from ml.features.words import Shown, sentence, shown
from ml.form import ServedModel

MOST = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature. `contribution`: what it added, to the log-odds of the class or, by a forest, to its probability."""

    feature: str
    value: Shown
    contribution: float
    text: str


@dataclass(frozen=True)
class Explainer:
    """A served model that says why."""

    model: ServedModel

    def explained(
        self, cleaned: Mapping[str, Any], row: Floats, class_place: int | None = None
    ) -> tuple[list[float], list[Reason]]:
        """Probabilities of the classes for an encoded row, and the reasons of one class, the likeliest by default.

        With two classes the reasons are those of the second.
        """
        probabilities, added = self.model.scorer.explained(row)
        if len(added) == 1:
            class_place, output = len(self.model.classes) - 1, 0
        else:
            class_place = output = int(probabilities.argmax()) if class_place is None else class_place
        sums = np.add.reduceat(added[output], self._starts).tolist()
        outcome = self.model.classes[class_place]
        return probabilities.tolist(), [
            self._reason(cleaned, place, sums[place], outcome) for place in _strongest(sums)
        ]

    def _reason(self, cleaned: Mapping[str, Any], place: int, contribution: float, outcome: str) -> Reason:
        feature = self._features[place]
        value = shown(feature, cleaned)
        return Reason(feature.name, value, round(contribution, 4), sentence(feature.name, value, contribution, outcome))

    @cached_property
    def _features(self) -> tuple[Feature, ...]:
        definition = self.model.encoder.definition
        return (*definition.numbers, *definition.categories, *definition.rates)

    @cached_property
    def _starts(self) -> np.ndarray[Any, Any]:
        """Where the columns of each feature begin: they lie side by side."""
        origins = self.model.encoder.origins
        return np.array([at for at, name in enumerate(origins) if at == 0 or name != origins[at - 1]])


def _strongest(sums: list[float]) -> list[int]:
    strengths = [-abs(one) for one in sums]
    found = sorted(range(len(sums)), key=strengths.__getitem__)[:MOST]
    return [place for place in found if sums[place] != 0.0]
