"""Figures of probabilities against what happened. Probabilities have a column per class; labels are class numbers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from ml.datasets.examples import Instants
from ml.policy import Costs

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]
_SMALLEST = 1e-15


def log_losses(probabilities: Floats, label: Labels) -> Floats:
    """Negative log likelihood of each row, in nats."""
    chosen = probabilities[np.arange(len(label)), label]
    return np.asarray(-np.log(np.clip(chosen, _SMALLEST, 1.0)))


def log_loss(probabilities: Floats, label: Labels) -> float:
    """Its mean."""
    return float(log_losses(probabilities, label).mean())


def skill(probabilities: Floats, label: Labels) -> float:
    """Share of the log loss of guessing the class frequencies that is taken away; 0 is worthless, 1 perfect."""
    shares = np.bincount(label, minlength=probabilities.shape[1]) / len(label)
    guessed = log_loss(np.tile(shares, (len(label), 1)), label)
    return 1.0 - log_loss(probabilities, label) / guessed if guessed else 0.0


def accuracy(probabilities: Floats, label: Labels) -> float:
    """Share of rows whose most probable class is theirs."""
    return float((probabilities.argmax(axis=1) == label).mean())


def precision_recall(score: Floats, positive: Mask, threshold: float) -> tuple[float, float]:
    """When everything at or above the threshold is flagged; 0 where undefined."""
    flagged = score >= threshold
    hits = int((flagged & positive).sum())
    return (hits / int(flagged.sum()) if flagged.any() else 0.0), (
        hits / int(positive.sum()) if positive.any() else 0.0
    )


def f1_at(score: Floats, positive: Mask, threshold: float) -> float:
    """The harmonic mean of precision and recall."""
    precision, recall = precision_recall(score, positive, threshold)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def best_threshold(score: Floats, positive: Mask) -> float:
    """The threshold of the highest F1, in the middle of the gap below the score that reaches it."""
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + positive.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # equal scores fall on the same side
    at = int(f1.argmax())
    return float((ranked[at] + ranked[at + 1]) / 2) if at + 1 < len(ranked) else float(ranked[at])


def pr_auc(score: Floats, positive: Mask) -> float:
    """Mean precision over the positives; NaN with one class."""
    return float(average_precision_score(positive, score)) if 0 < positive.sum() < len(positive) else math.nan


def roc_auc(score: Floats, positive: Mask) -> float:
    """The chance that a positive is given more than a negative; NaN with one class."""
    return float(roc_auc_score(positive, score)) if 0 < positive.sum() < len(positive) else math.nan


def macro_f1(probabilities: Floats, label: Labels) -> float:
    """Mean over the classes of the F1 of each against the rest."""
    chosen = probabilities.argmax(axis=1)
    each = []
    for number in range(probabilities.shape[1]):
        hits = int(((chosen == number) & (label == number)).sum())
        each.append(2 * hits / max(1, int((chosen == number).sum() + (label == number).sum())))
    return float(np.mean(each))


def confusion(chosen: npt.NDArray[Any], label: Labels, classes: int) -> npt.NDArray[np.int64]:
    """Rows by true class, columns by chosen class."""
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (label, chosen.astype(np.int64)), 1)
    return table


def calibration(score: Floats, positive: Mask, bins: int = 10) -> list[tuple[float, float, int]]:
    """Mean score, share of positives and number of rows, by equally filled bins of the score."""
    parts = np.array_split(np.argsort(score, kind="stable"), bins)
    return [(float(score[part].mean()), float(positive[part].mean()), len(part)) for part in parts if len(part)]


def calibration_error(score: Floats, positive: Mask) -> float:
    """Mean distance of score and share of positives over those bins."""
    found = calibration(score, positive)
    return float(sum(abs(mean - share) * rows for mean, share, rows in found) / len(score))


def precision_at_cards(
    score: Floats, positive: Mask, card: Sequence[Any], at: Instants, cards: int = 100
) -> tuple[float, float]:
    """Of the `cards` most suspicious cards of each day, the share with fraud that day, as a mean over the days.

    And the most that could be reached: on days with fewer cards of fraud than that, perfection is below 1. Rows that
    do not say whose card it was count for nothing; NaN where none does.
    """
    days, is_known = at.astype("datetime64[D]"), np.array([one is not None for one in card], dtype=bool)
    if not is_known.any():
        return math.nan, math.nan
    found, best = [], []
    for day in np.unique(days[is_known]):
        chosen = np.flatnonzero((days == day) & is_known)
        worst: dict[Any, float] = {}
        bad: set[Any] = set()
        for row in chosen.tolist():
            worst[card[row]] = max(worst.get(card[row], 0.0), float(score[row]))
            if positive[row]:
                bad.add(card[row])
        top = sorted(worst, key=worst.__getitem__, reverse=True)[:cards]
        found.append(sum(one in bad for one in top) / len(top))
        best.append(min(len(bad), len(top)) / len(top))
    return float(np.mean(found)), float(np.mean(best))


def fraud_cost(score: Floats, positive: Mask, amount_usd: Floats, threshold: float, costs: Costs) -> float:
    """US dollars lost at a threshold: frauds let through with their chargebacks, and honest purchases stopped."""
    flagged = score >= threshold
    missed = amount_usd[positive & ~flagged] * costs.fraud_loss_share + costs.chargeback_usd
    return float(missed.sum() + costs.false_alarm_usd * (flagged & ~positive).sum())


def cost_curve(score: Floats, positive: Mask, amount_usd: Floats, costs: Costs) -> list[tuple[float, float]]:
    """Threshold and cost in US dollars, over the range of thresholds."""
    thresholds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01]
    return [(threshold, fraud_cost(score, positive, amount_usd, threshold, costs)) for threshold in thresholds]
