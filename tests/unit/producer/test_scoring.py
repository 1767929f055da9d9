"""The measures, on cases small enough to work out by hand."""

from math import isnan, log

import pytest

from producer import scoring

SCORED = [(0.9, True), (0.8, False), (0.6, True), (0.2, False)]


def test_accuracy_and_log_loss() -> None:
    assert scoring.accuracy(SCORED) == 0.75
    assert scoring.log_loss([(0.5, True), (0.5, False)]) == pytest.approx(log(2))


def test_roc_auc_counts_pairs_in_the_right_order_and_ties_half() -> None:
    assert scoring.roc_auc(SCORED) == 0.75
    assert scoring.roc_auc([(0.5, True), (0.5, False)]) == 0.5
    assert isnan(scoring.roc_auc([(0.5, True)]))


def test_average_precision_is_the_mean_precision_at_the_positives() -> None:
    assert scoring.average_precision(SCORED) == pytest.approx((1 + 2 / 3) / 2)


def test_the_best_threshold_has_the_highest_f1() -> None:
    assert scoring.best_threshold(SCORED) == 0.6
    assert scoring.precision_recall(SCORED, 0.6) == (pytest.approx(2 / 3), 1.0)
    assert scoring.f1(0.0, 0.0) == 0.0
