"""The measures by which a set of probabilities is judged against what happened; standard library only."""

from collections.abc import Sequence
from itertools import groupby
from math import log

Scored = Sequence[tuple[float, bool]]  # (probability given, whether it happened)


def accuracy(scored: Scored) -> float:
    """Share that a threshold of one half gets right."""
    return sum((p >= 0.5) == happened for p, happened in scored) / len(scored)


def log_loss(scored: Scored) -> float:
    """Mean negative log likelihood, in nats."""
    return -sum(log(max(p if happened else 1.0 - p, 1e-15)) for p, happened in scored) / len(scored)


def roc_auc(scored: Scored) -> float:
    """The chance that something that happened was given more than something that did not; ties count half."""
    positives = sum(happened for _, happened in scored)
    negatives_below = 0
    won = 0.0
    for _, group in groupby(sorted(scored), key=lambda pair: pair[0]):
        outcomes = [happened for _, happened in group]
        hits = sum(outcomes)
        misses = len(outcomes) - hits
        won += hits * (negatives_below + misses / 2)
        negatives_below += misses
    return won / (positives * negatives_below) if positives and negatives_below else float("nan")


def average_precision(scored: Scored) -> float:
    """Area under the precision-recall curve, as the mean precision over the positives."""
    positives = sum(happened for _, happened in scored)
    found = seen = 0
    area = 0.0
    for _, group in groupby(sorted(scored, reverse=True), key=lambda pair: pair[0]):
        outcomes = [happened for _, happened in group]
        found += sum(outcomes)
        seen += len(outcomes)
        area += sum(outcomes) * found / seen
    return area / positives if positives else float("nan")


def precision_recall(scored: Scored, threshold: float) -> tuple[float, float]:
    """Precision and recall when everything at or above the threshold is flagged; 0 where undefined."""
    flagged = [happened for p, happened in scored if p >= threshold]
    positives = sum(happened for _, happened in scored)
    hits = sum(flagged)
    return (hits / len(flagged) if flagged else 0.0), (hits / positives if positives else 0.0)


def f1(precision: float, recall: float) -> float:
    """Their harmonic mean; 0 when both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def best_threshold(scored: Scored) -> float:
    """The threshold of the highest F1 among the probabilities that occur."""
    candidates = sorted({p for p, _ in scored})
    return max(candidates, key=lambda threshold: f1(*precision_recall(scored, threshold)))
