"""Which candidate, with which settings: each is judged on days that follow what it learnt from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.datasets.examples import Examples, folds
from ml.errors import MlError
from ml.evaluation.figures import best_threshold, f1_at, log_loss
from ml.features.definition import Definition
from ml.features.encoder import Encoder, Floats, clean
from ml.training.candidates import Candidate, Estimator, Settings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One candidate with one choice of settings, judged out of fold. `score`: higher is better."""

    candidate: Candidate
    settings: Settings
    score: float
    threshold: float


def compare(
    definition: Definition, candidates: Sequence[Candidate], training: Examples, classes: int, by_f1: bool, say: Say
) -> list[Trial]:
    """All trials, the best first. `by_f1`: by F1 at the best threshold, else by log loss; both on held-out days."""
    encoded = list(_encoded_folds(definition, training, classes))
    if not encoded:
        raise MlError("No part of the training period knows all classes, and the part after it too: give more days.")
    plan = [(candidate, settings) for candidate in candidates for settings in candidate.settings]
    trials = []
    for number, (candidate, settings) in enumerate(plan, start=1):
        trial = _trial(candidate, settings, encoded, by_f1)
        say(f"  trial {number} of {len(plan)}: {candidate.name} {dict(settings)}: {trial.score:.4f}")
        trials.append(trial)
    return sorted(trials, key=lambda one: one.score, reverse=True)


def fit(candidate: Candidate, settings: Settings, matrix: Floats, label: npt.NDArray[np.int64]) -> Estimator:
    """The candidate fitted to these rows."""
    estimator = candidate.make(settings)
    estimator.fit(matrix, label)
    return estimator


def positives(label: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float64]:
    """What rates count: the highest class of two or more."""
    return np.asarray(label == classes - 1, dtype=np.float64)


@dataclass(frozen=True)
class _Fold:
    matrix: Floats
    label: npt.NDArray[np.int64]
    held_matrix: Floats
    held_label: npt.NDArray[np.int64]


def _encoded_folds(definition: Definition, training: Examples, classes: int) -> list[_Fold]:
    """Folds that know all classes before and after, each encoded by what its own past knew.

    Where nothing is held of a class no threshold can be told; time without any row has nothing to judge by.
    """
    found = []
    for past, held in folds(training):
        before, after = training.where(past), training.where(held)
        if min(len(np.unique(one.label)) for one in (before, after)) < classes:
            continue
        known = clean(definition, before.columns)
        positive = positives(before.label, classes)
        encoder = Encoder.learn(definition, known, positive)
        matrix = encoder.training_matrix(known, positive)
        found.append(_Fold(matrix, before.label, encoder.matrix(after.columns), after.label))
    return found


def _trial(candidate: Candidate, settings: Settings, encoded: Sequence[_Fold], by_f1: bool) -> Trial:
    judged = [
        (fit(candidate, settings, one.matrix, one.label).predict_proba(one.held_matrix), one.held_label)
        for one in encoded
    ]
    if not by_f1:
        score = -float(np.mean([log_loss(probabilities, label) for probabilities, label in judged]))
        return Trial(candidate, settings, score, 0.5)
    found = [
        _best_f1(probabilities[:, -1], positives(label, probabilities.shape[1]) > 0) for probabilities, label in judged
    ]
    # The last fold knows nearly as much as the model that is fitted in the end, so its threshold suits that one.
    return Trial(candidate, settings, float(np.mean([f1 for f1, _ in found])), found[-1][1])


def _best_f1(score: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, float]:
    threshold = best_threshold(score, positive)
    return f1_at(score, positive, threshold), threshold
