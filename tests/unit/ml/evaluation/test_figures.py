"""Figures agree with what can be counted by hand."""

import numpy as np
import pytest

from ml.evaluation import figures as of
from ml.policy import Costs


def test_the_best_threshold_lies_between_scores_and_keeps_equals_together() -> None:
    score, positive = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    threshold = of.best_threshold(score, positive)
    assert threshold == pytest.approx(0.45)
    assert of.precision_recall(score, positive, threshold) == (2 / 3, 1.0)
    assert of.f1_at(score, positive, threshold) == pytest.approx(0.8)


def test_the_best_of_shuffled_thresholds_is_found() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(400).round(2)
    positive = rng.random(400) < score**3
    best = max(of.f1_at(score, positive, one) for one in np.unique(score))
    assert of.f1_at(score, positive, of.best_threshold(score, positive)) == pytest.approx(best)


def test_guessing_the_frequencies_has_no_skill() -> None:
    label = np.array([0, 0, 0, 1])
    assert of.skill(np.tile([0.75, 0.25], (4, 1)), label) == pytest.approx(0.0)
    assert of.skill(np.eye(2)[label], label) == pytest.approx(1.0)


def test_cards_are_counted_once_a_day() -> None:
    at = np.array(["2026-03-01T00", "2026-03-01T01", "2026-03-01T02", "2026-03-02T00"], dtype="datetime64[us]")
    score, positive = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, False])
    found, most = of.precision_at_cards(score, positive, ["a", "a", "b", "c"], at, cards=1)
    assert (found, most) == (0.5, 0.5)


def test_rows_without_a_card_are_of_no_card() -> None:
    at = np.array(["2026-03-01T00", "2026-03-01T01", "2026-03-01T02"], dtype="datetime64[us]")
    score, positive = np.array([0.9, 0.8, 0.7]), np.array([True, True, False])
    assert of.precision_at_cards(score, positive, [None, "a", "b"], at, cards=1) == (1.0, 1.0)
    assert of.precision_at_cards(score, positive, [None, "b", "a"], at, cards=2) == (0.5, 0.5)
    assert all(np.isnan(of.precision_at_cards(score, positive, [None] * 3, at)))


def test_cost_counts_missed_frauds_and_false_alarms() -> None:
    costs = Costs(margin_share=0.2, fraud_loss_share=1.0, chargeback_usd=15.0, false_alarm_usd=5.0)
    score, positive, amount = np.array([0.9, 0.2, 0.9]), np.array([True, True, False]), np.array([10.0, 100.0, 50.0])
    assert of.fraud_cost(score, positive, amount, 0.5, costs) == 115.0 + 5.0


def test_one_class_only_has_no_curve() -> None:
    assert np.isnan(of.roc_auc(np.array([0.1, 0.2]), np.array([True, True])))


def test_calibration_of_perfect_probabilities_has_no_error() -> None:
    score = np.repeat([0.0, 1.0], 50)
    assert of.calibration_error(score, score.astype(bool)) == 0.0
