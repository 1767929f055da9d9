"""What a training run yields."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml.datasets.examples import Divided
from ml.datasets.sets import TrainingSet
from ml.evaluation.resampling import Interval
from ml.features.encoder import Floats
from ml.form import ServedModel
from ml.training.candidates import Estimator
from ml.training.tuning import Trial

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Judged:
    """Probabilities that a candidate gives the test period, and the threshold chosen for it in training."""

    probabilities: Floats
    threshold: float


@dataclass(frozen=True)
class Trained:
    """The model of the best candidate, fitted to the whole training period, and how it came about.

    `trials`: the best first. `test_matrix` and `probabilities`: the test period as encoded, and as the model judges it.
    """

    served: ServedModel
    estimator: Estimator
    trials: Sequence[Trial]
    data: TrainingSet
    divided: Divided
    test_matrix: Floats
    probabilities: Floats
    rivals: Mapping[str, Judged]

    @property
    def best(self) -> Trial:
        """The candidate that was chosen."""
        return self.trials[0]


@dataclass(frozen=True)
class Evidence:
    """What the test period shows.

    `figures`: by name; `ceiling`: the most that any model could reach of them, where it is known; `intervals`: how
    sure; `curves`: named series of points; `slices`: figures by field and value; `importance`: loss per feature when
    it is shuffled; `confusion`: rows by truth; `notes`: what a reader should know.
    """

    figures: Figures
    ceiling: Figures = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, Figures]] = field(default_factory=dict)
    importance: Figures = field(default_factory=dict)
    confusion: Sequence[Sequence[int]] = ()
    notes: Sequence[str] = ()
    rivals: Mapping[str, Figures] = field(default_factory=dict)

    def to_json(self) -> str:
        """For the record of the run; what cannot be said is null."""
        return json.dumps(_without_nan(self._plain()), indent=1, ensure_ascii=False)

    def _plain(self) -> dict[str, Any]:
        return {
            "figures": dict(self.figures),
            "ceiling": dict(self.ceiling),
            "intervals": {name: [one.value, one.low, one.high] for name, one in self.intervals.items()},
            "slices": {name: {value: dict(one) for value, one in rows.items()} for name, rows in self.slices.items()},
            "importance": dict(self.importance),
            "confusion": [list(row) for row in self.confusion],
            "rivals": {name: dict(one) for name, one in self.rivals.items()},
            "notes": list(self.notes),
        }


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
