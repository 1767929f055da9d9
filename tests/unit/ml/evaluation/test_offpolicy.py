"""The value of a policy is found from what another one did."""

import math

import numpy as np
import pyarrow as pa
import pytest

from ml.datasets.examples import Examples
from ml.evaluation.logged import own_processors
from ml.evaluation.offpolicy import Logged, doubly_robust, effective_rows, ips
from ml.evaluation.resampling import interval, with_ones
from ml.policy import models
from ml.registry.gates import failures

ROWS = 40_000
TRUE = np.array([0.2, 0.5, 0.8])


@pytest.fixture(scope="module")
def logged() -> Logged:
    rng = np.random.default_rng(5)
    chances = np.tile([0.6, 0.3, 0.1], (ROWS, 1))
    action = rng.choice(3, ROWS, p=[0.6, 0.3, 0.1])
    return Logged(action, chances, (rng.random(ROWS) < TRUE[action]).astype(float))


def test_inverse_propensity_finds_the_value_of_a_rare_action(logged: Logged) -> None:
    chosen = np.full(ROWS, 2)
    assert ips(logged, chosen).mean() == pytest.approx(0.8, abs=0.04)
    assert effective_rows(logged, chosen) == pytest.approx(ROWS * 0.1, rel=0.1)


def test_the_doubly_robust_estimate_mends_a_wrong_guess(logged: Logged) -> None:
    chosen = np.full(ROWS, 2)
    wrong = np.full((ROWS, 3), 0.3)
    assert doubly_robust(logged, chosen, wrong).mean() == pytest.approx(0.8, abs=0.03)


def test_a_right_guess_makes_it_less_noisy_than_inverse_propensity(logged: Logged) -> None:
    chosen = np.full(ROWS, 2)
    robust = doubly_robust(logged, chosen, np.tile(TRUE, (ROWS, 1)))
    assert robust.mean() == pytest.approx(0.8, abs=0.02)
    assert robust.std() < ips(logged, chosen).std()


def test_an_interval_holds_its_figure_and_narrows_with_more_hours() -> None:
    values = np.random.default_rng(1).random(4000)
    few, many = (interval(with_ones(values), np.arange(4000) % hours) for hours in (16, 400))
    assert few.low < few.value < few.high
    assert many.value == pytest.approx(values.mean())


def test_how_sure_a_figure_is_cannot_be_told_from_a_few_hours() -> None:
    found = interval(with_ones(np.linspace(0.5, 1.0, 900)), np.arange(900) // 300)
    assert found.value == pytest.approx(0.75)
    assert math.isnan(found.low)
    assert "too few hours" in str(found)
    assert failures(models()["smart_routing_policy"], {"uplift_low": found.low})


def test_payments_without_a_merchant_have_no_processor_of_their_own() -> None:
    rows = pa.table({"merchant_id": ["m", "m", None], "processor": ["ProcessorA", "ProcessorA", "ProcessorB"]})
    assert own_processors(Examples(rows)) == {"m": "ProcessorA"}
