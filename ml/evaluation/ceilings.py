"""The most that any model could reach on the same rows, where the world is simulated and its truth lies in the lake."""

from collections import Counter

import numpy as np

from ml.datasets.examples import Examples
from ml.evaluation import figures as of
from ml.training.trained import Figures, Trained


def approval_ceiling(trained: Trained) -> Figures:
    """The true chance of each attempt, judged as the model is."""
    test = trained.divided.test
    column = "p_approved" if "p_approved" in test.rows.column_names else None
    truth = test.numbers(column) if column else _through_processor(test)
    known = np.isfinite(truth)
    if not known.all():
        return {}
    probabilities = np.column_stack([1.0 - truth, truth])
    return {
        "accuracy": of.accuracy(probabilities, test.label),
        "log_loss": of.log_loss(probabilities, test.label),
        "skill": of.skill(probabilities, test.label),
        "roc_auc": of.roc_auc(truth, test.label == 1),
        "pr_auc": of.pr_auc(truth, test.label == 1),
        "pr_auc_declines": of.pr_auc(1.0 - truth, test.label == 0),
    }


def _through_processor(test: Examples) -> of.Floats:
    """The true chance through the processor that was used."""
    used = test.columns["processor"]
    by_name = {name: test.numbers(f"p_{name}") for name in set(used)}
    return np.array([by_name[name][row] for row, name in enumerate(used)])


def fraud_ceiling(trained: Trained) -> Figures:
    """The share of fraud among training's purchases that look alike to one who knows the customer, judged on the test.

    It sees scores of the payment and the customer's own devices and home, which the model is not told.
    """
    training, test = trained.divided.training, trained.divided.test
    looks = training.columns["look"]
    if None in test.columns["look"] or None in looks:
        return {}
    seen, frauds = Counter(looks), Counter(look for look, fraud in zip(looks, training.label, strict=True) if fraud)
    share = {look: frauds[look] / count for look, count in seen.items()}
    threshold = of.best_threshold(np.array([share[look] for look in looks]), training.label == 1)
    score, positive = np.array([share.get(look, 0.0) for look in test.columns["look"]]), test.label == 1
    precision, recall = of.precision_recall(score, positive, threshold)
    return {
        "precision": precision,
        "recall": recall,
        "f1": of.f1_at(score, positive, threshold),
        "pr_auc": of.pr_auc(score, positive),
        "roc_auc": of.roc_auc(score, positive),
    }
