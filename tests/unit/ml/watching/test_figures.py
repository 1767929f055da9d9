"""Distances are 0 for nothing, grow with the difference, and know what chance can do."""

import math

import numpy as np
import pytest

from ml.watching.figures import off_calibration, rarity, stability, worse_loss

EVEN = np.full(10, 0.1)


def test_equal_shares_are_at_no_distance() -> None:
    found = stability(EVEN, [1000] * 10, 100_000)
    assert found.value == 0.0
    assert found.chance == pytest.approx(1.0)


def test_the_index_is_the_symmetric_relative_entropy() -> None:
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    wanted = float(((shares - 0.25) * np.log(shares / 0.25)).sum())
    found = stability(np.full(4, 0.25), (shares * 1e6).astype(int).tolist(), 10**9)
    assert found.value == pytest.approx(wanted, abs=1e-4)


def test_small_samples_are_not_far_by_chance() -> None:
    random = np.random.default_rng(3)
    draws = [stability(EVEN, random.multinomial(500, EVEN).tolist(), 10_000) for _ in range(1000)]
    assert np.mean([one.value for one in draws]) < 0.01
    assert max(one.value for one in draws) < 0.1
    assert np.mean([one.chance < 0.01 for one in draws]) == pytest.approx(0.01, abs=0.012)


def test_what_is_rare_is_far_when_it_multiplies_and_the_index_hardly_moves() -> None:
    assert rarity(0.01, 40, 500, 10_000).value == pytest.approx(math.log(40.5 / 5.5))
    assert rarity(0.01, 40, 500, 10_000).chance < 1e-12
    assert stability(np.array([0.99, 0.01]), [470, 30], 10_000).value < 0.15
    assert rarity(0.01, 0, 50_000, 100_000).chance < 1e-12, "none at all is far too"


def test_what_is_rare_moves_by_chance_as_often_as_is_said() -> None:
    random = np.random.default_rng(4)
    before, now = random.poisson(100, 4000), random.poisson(20, 4000)
    found = [rarity(one / 10_000, int(other), 2000, 10_000).chance for one, other in zip(before, now, strict=True)]
    assert 0.5 * 0.02 < np.mean(np.array(found) < 0.02) <= 0.02 + 0.007


def test_a_value_that_was_never_seen_is_a_finite_distance() -> None:
    expected = np.array([0.5, 0.4999, 0.0001])
    found = stability(expected, [400, 400, 200], 10_000)
    assert 0.2 < found.value < 5.0
    assert found.chance < 1e-12


def test_calibration_that_was_off_before_is_not_held_against_it() -> None:
    now = off_calibration(100.0, 150.0, 90.0, 1000, (0.10, 0.15), 1_000_000)
    assert now.value < 0.01
    assert now.chance > 0.8
    before = off_calibration(100.0, 150.0, 90.0, 1000, (0.10, 0.10), 1_000_000)
    assert before.value == pytest.approx(math.log(0.15 / 0.85) - math.log(0.1 / 0.9), abs=0.01)
    assert before.chance < 1e-3


def test_calibration_is_seldom_off_by_chance() -> None:
    random = np.random.default_rng(4)
    p = random.beta(1.0, 9.0, 2000)
    chances = []
    for _ in range(300):
        observed = float((random.random(2000) < p).sum())
        variance = float((p * (1 - p)).sum())
        chances.append(off_calibration(float(p.sum()), observed, variance, 2000, (0.1, 0.1), 10**8).chance)
    assert np.mean(np.array(chances) < 0.05) < 0.1


def test_a_smaller_loss_is_no_drift() -> None:
    assert worse_loss(90.0, 1000, 0.1, 0.2, 10_000).value == 0.0
    grown = worse_loss(150.0, 1000, 0.1, 0.2, 10_000)
    assert grown.value == pytest.approx(0.5)
    assert grown.chance < 1e-6
