"""The reference of a trained model: what its test period was like, kept with the version for the watch over it."""

import numpy as np
import numpy.typing as npt

from ml.datasets.examples import Examples
from ml.features.encoder import Floats
from ml.form import ServedModel
from ml.policies import RetryFee, allowed_waits, choose_wait, processor_chances, wait_chances
from ml.training.trained import Trained
from ml.watching.reference import CHOSEN, Performance, Reference

_MOST_ROWS = 50_000


def take(trained: Trained) -> Reference:
    """From the test period, for the figures on the card hold there; at most so many rows, evenly spread over it."""
    test, served = trained.divided.test, trained.served
    places = _spread(test)
    rows, before = Examples(test.rows.take(places)), trained.divided.training
    before = Examples(before.rows.take(_spread(before)))
    positive = np.asarray(trained.probabilities[places][:, -1], dtype=np.float64)
    is_positive = rows.label == len(served.classes) - 1
    scores = answered(served, rows, trained.probabilities[places])
    performance = Performance.of(
        positive, is_positive.astype(np.float64), rows.hours, is_own_choice=served.name not in CHOSEN
    )
    learnt = Reference.learn(served.name, rows.columns, rows.columns["at"], scores, performance)
    return learnt.after(before.columns, before.columns["at"])


def _spread(examples: Examples) -> npt.NDArray[np.int64]:
    """Places of at most so many rows, evenly over all of them."""
    return np.unique(np.linspace(0, examples.count - 1, min(examples.count, _MOST_ROWS)).astype(np.int64))


def answered(served: ServedModel, rows: Examples, probabilities: Floats) -> Floats:
    """The probability that comes with the answer: of the positive class of two, of the class chosen among more, of
    approval by the way that the policy chooses."""
    if served.name == "smart_routing_policy":
        return np.asarray(processor_chances(served, rows.columns).max(axis=1))
    if served.name == "smart_retry_policy":
        return _best_wait(served, rows)
    return np.asarray(probabilities[:, 1] if len(served.classes) == 2 else probabilities.max(axis=1))


def _best_wait(served: ServedModel, rows: Examples) -> Floats:
    chances, allowed = wait_chances(served, rows.columns), allowed_waits(served, rows.columns)
    chosen = choose_wait(chances, allowed, rows.numbers("amount_usd"), RetryFee.of(served))
    best = np.where(allowed, chances, 0.0).max(axis=1)
    return np.asarray(np.where(chosen >= 0, chances[np.arange(len(chosen)), np.maximum(chosen, 0)], best))
