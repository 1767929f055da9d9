"""One training run: divide by time, compare candidates, fit the best, and make its served form."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from domain.contracts import reference
from ml.datasets.examples import Divided, Examples, divide
from ml.datasets.sets import TrainingSet, retried
from ml.evaluation.logged import fee_line, own_processors, waits_tried
from ml.features.definitions import DEFINITIONS
from ml.features.encoder import Encoder, Floats, clean
from ml.form import ServedModel
from ml.policy import models, retry, split
from ml.training.candidates import CANDIDATES, Estimator
from ml.training.trained import Judged, Trained
from ml.training.tuning import Say, Trial, compare, fit, positives

CLASSES: Mapping[str, tuple[str, ...]] = {
    "fraud_detection_model": ("honest", "fraud"),
    "risk_scoring_model": ("LOW", "MEDIUM", "HIGH"),
}
_APPROVAL = ("declined", "approved")


def train(data: TrainingSet, label_delay_days: float, say: Say) -> Trained:
    """Train one model. Raises MlError when the data do not suffice."""
    policy = models()[data.model]
    classes = CLASSES.get(data.model, _APPROVAL)
    divided = divide(_decided(data), pause_days(data.model, label_delay_days), classes)
    training = divided.training
    if data.misdated:
        say(f"{data.model}: leaves out {data.misdated:,} rows whose instants lie far from all others")
    say(f"{data.model}: learns from {training.count:,} rows, {training.span()}")
    by_f1 = policy.primary == "f1"
    definition, compared = DEFINITIONS[data.model], training.newest(split().comparison_rows)
    trials = compare(definition, CANDIDATES[data.model], compared, len(classes), by_f1, say)
    columns = clean(definition, training.columns)
    positive = positives(training.label, len(classes))
    encoder = Encoder.learn(definition, columns, positive)
    matrix, test = encoder.training_matrix(columns, positive), encoder.matrix(divided.test.columns)
    fitted = [(one, _fitted(one, matrix, training, say)) for one in _best_of_each(trials)]
    (best, estimator), rivals = fitted[0], fitted[1:]
    served = ServedModel(
        name=data.model,
        encoder=encoder,
        scorer=best.candidate.serve(estimator),
        classes=classes,
        threshold=best.threshold,
        facts=_facts(data, divided, best),
    )
    judged = {one.candidate.name: Judged(rival.predict_proba(test), one.threshold) for one, rival in rivals}
    return Trained(served, estimator, trials, data, divided, test, estimator.predict_proba(test), judged)


def _fitted(trial: Trial, matrix: Floats, training: Examples, say: Say) -> Estimator:
    say(f"  fits {trial.candidate.name} {dict(trial.settings)} to the whole training period")
    return fit(trial.candidate, trial.settings, matrix, training.label)


def _best_of_each(trials: Sequence[Trial]) -> list[Trial]:
    """The best trial of each candidate; the best of all comes first."""
    names = [one.candidate.name for one in trials]
    return [trials[names.index(name)] for name in dict.fromkeys(names)]


def pause_days(model: str, label_delay_days: float) -> float:
    """How long before the test period training ends: what came of its last row must have been known by then."""
    if model == "smart_retry_policy":
        return max(retry().waits_minutes) / (24 * 60)
    return label_delay_days if models()[model].waits_for_labels else 0.0


def _decided(data: TrainingSet) -> Examples:
    """The rows whose outcome says something: of declines those that were tried again."""
    return retried(data.examples) if data.model == "smart_retry_policy" else data.examples


def _facts(data: TrainingSet, divided: Divided, chosen: Trial) -> dict[str, Any]:
    """What the served model carries beside its weights: where it came from, and what its policy needs."""
    training = divided.training
    facts: dict[str, Any] = {
        "candidate": chosen.candidate.name,
        "settings": dict(chosen.settings),
        "trained_from": str(training.at[0]),
        "trained_until": str(training.at[-1]),
        "training_rows": training.count,
        "folds": split().folds,
        "data_sha256": data.fingerprint.sha256,
    }
    if data.model == "smart_routing_policy":
        facts |= {"processors": list(reference()["processors"]["names"]), "own_processors": own_processors(training)}
    if data.model == "smart_retry_policy":
        fixed, share = fee_line(training)
        waits = list(retry().waits_minutes)
        facts |= {
            "waits_minutes": waits,
            "waits_tried": waits_tried(training),
            "fee_fixed_usd": fixed,
            "fee_share": share,
        }
    return facts


def check_rows(trained: Trained, count: int) -> dict[str, list[Any]]:
    """Rows of the test period by which served and trained model are compared, repeated up to the count.

    Every third row lacks a field or has one that training never saw, so that those paths are compared too.
    """
    fields = DEFINITIONS[trained.served.name].fields
    test = trained.divided.test
    places = np.arange(count) % test.count
    rows = test.where(np.isin(np.arange(test.count), places)).columns
    columns = {one.name: [rows[one.name][place] for place in places.tolist()] for one in fields}
    for row in range(0, count, 3):
        field = fields[row // 3 % len(fields)]
        odd = "never seen before" if field.kind == "category" and row % 2 else None
        columns[field.name][row] = odd
    return columns
