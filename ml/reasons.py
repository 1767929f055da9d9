"""Why a model answered as it did: what each feature of a request added, the strongest first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from ml import kernels
from ml.features.definition import Feature
from ml.features.encoder import Floats
from ml.features.words import OUTCOMES, WORDS, Shown, sentence, shower
from ml.form import ServedModel

MOST = 3


class Reason(msgspec.Struct, frozen=True, gc=False):
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
        sums, places = np.zeros(len(self._features)), np.empty(MOST, dtype=np.int64)
        kernels.strongest(added[output], self._feature_of, sums, places)
        outcome = OUTCOMES[self.model.classes[class_place]]
        totals = sums.tolist()
        reasons = [self._reason(cleaned, place, totals[place], outcome) for place in places.tolist() if place >= 0]
        return probabilities.tolist(), reasons

    def _reason(self, cleaned: Mapping[str, Any], place: int, contribution: float, outcome: str) -> Reason:
        name, words, show = self._shown[place]
        value = show(cleaned)
        return Reason(name, value, round(contribution, 4), sentence(words, value, contribution, outcome))

    @cached_property
    def _features(self) -> tuple[Feature, ...]:
        definition = self.model.encoder.definition
        return (*definition.numbers, *definition.categories, *definition.rates)

    @cached_property
    def _shown(self) -> tuple[tuple[str, str, Callable[[Mapping[str, Any]], Shown]], ...]:
        """Name, words and shown value of each feature."""
        return tuple((one.name, WORDS[one.name], shower(one)) for one in self._features)

    @cached_property
    def _feature_of(self) -> np.ndarray[Any, Any]:
        """The place of the feature that each column belongs to."""
        places = {one.name: place for place, one in enumerate(self._features)}
        return np.array([places[name] for name in self.model.encoder.origins])
