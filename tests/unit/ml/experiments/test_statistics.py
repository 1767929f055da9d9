"""The tests find what is there, and seldom what is not, however often one looks."""

import numpy as np
import pytest

from ml.experiments import fixed, sequential
from ml.experiments.arms import Arm
from ml.experiments.readout import Balance, Verdict, _chi_square_tail, balance, compare
from ml.policy import ExperimentPlan, experiment

PLAN = ExperimentPlan(0.05, 0.8, 0.02, 0.85, 0.001, {"champion": 0.5, "challenger": 0.5})
EVEN = Balance({}, None, is_broken=False)


def arm(name: str, units: int, successes: int, keys: int | None = None) -> Arm:
    return Arm(name, keys or units, units, successes)


def test_the_planned_size_is_the_textbooks() -> None:
    # 0.5 against 0.6 at alpha 0.05 and power 0.8: 388 an arm (Fleiss, without correction).
    assert fixed.needed_units(0.5, 0.1, 0.05, 0.8) == (388, 388)
    champion, challenger = fixed.needed_units(0.88, 0.01, 0.05, 0.8, ratio=1 / 9)
    assert challenger == pytest.approx(champion / 9, rel=0.01)


@pytest.mark.parametrize(("baseline", "effect"), [(0.0, 0.1), (1.0, 0.1), (0.5, 0.0), (0.5, 0.9)])
def test_what_no_size_finds_is_refused(baseline: float, effect: float) -> None:
    with pytest.raises(ValueError, match="no sample size"):
        fixed.needed_units(baseline, effect, 0.05, 0.8)


def test_the_power_is_reached_at_the_planned_size() -> None:
    random = np.random.default_rng(1)
    units, _ = fixed.needed_units(0.85, 0.02, 0.05, 0.8)
    ours, theirs = random.binomial(units, 0.87, 1500), random.binomial(units, 0.85, 1500)
    found = [
        fixed.compare(arm("a", units, int(one)), arm("b", units, int(two)), 0.05).p_value <= 0.05
        for one, two in zip(theirs, ours, strict=True)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.035)


def test_the_fixed_test_agrees_with_its_interval() -> None:
    found = fixed.compare(arm("champion", 1000, 850), arm("challenger", 1000, 890), 0.05)
    assert found.p_value == pytest.approx(0.00785, abs=2e-4)
    assert found.difference.low > 0
    assert found.difference.value == pytest.approx(0.04)
    assert fixed.compare(arm("a", 5, 5), arm("b", 5, 5), 0.05).p_value == 1.0


def test_peeking_all_the_time_finds_nothing_that_is_not_there() -> None:
    """150 experiments without a difference, each looked at 95 times; benchmarks/results/experiments.md has more."""
    assert _ever_found(0.85, 0.85, runs=150, seed=2) <= 0.05


def test_the_fixed_test_would_not_bear_that() -> None:
    random = np.random.default_rng(3)
    looks = np.arange(500, 10_000, 100)
    wrong = 0
    for _ in range(60):
        one, two = (np.cumsum(random.random(looks[-1]) < 0.85) for _ in range(2))
        wrong += any(
            fixed.compare(arm("a", n, int(one[n - 1])), arm("b", n, int(two[n - 1])), 0.05).p_value <= 0.05
            for n in looks.tolist()
        )
    assert wrong / 60 > 0.12


def test_what_is_there_is_found() -> None:
    assert _ever_found(0.85, 0.88, runs=60, seed=4) > 0.9


def test_little_says_nothing() -> None:
    assert sequential.compare(arm("a", 150, 100), arm("b", 1000, 900), 0.05, 0.01) is None
    assert sequential.compare(arm("a", 1000, 995), arm("b", 1000, 900), 0.05, 0.01) is None


def test_a_split_that_is_not_as_planned_is_broken_and_decides_nothing() -> None:
    arms = [arm("champion", 5000, 4000), arm("challenger", 4400, 4300)]
    split = balance(arms, PLAN)
    assert split.is_broken
    assert compare(arms[0], arms[1], split, PLAN).verdict is Verdict.BROKEN
    fair = balance([arm("champion", 5000, 4000), arm("challenger", 5050, 4000)], PLAN)
    assert not fair.is_broken


def test_arms_that_were_not_planned_are_not_checked() -> None:
    assert balance([arm("champion", 10, 5), arm("canary", 1, 1)], PLAN).p_value is None


@pytest.mark.parametrize(
    ("statistic", "degrees", "tail"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (7.814728, 3, 0.05), (9.487729, 4, 0.05), (11.0705, 5, 0.05), (0, 2, 1)],
)
def test_the_tail_of_chi_square_is_the_tables(statistic: float, degrees: int, tail: float) -> None:
    assert _chi_square_tail(statistic, degrees) == pytest.approx(tail, abs=1e-6)


def test_verdicts_come_with_a_reason() -> None:
    better = compare(arm("champion", 20_000, 17_000), arm("challenger", 20_000, 17_800), EVEN, PLAN)
    assert better.verdict is Verdict.BETTER
    assert better.reason.startswith("challenger is better than the champion: +4.00%")
    assert better.fixed is not None
    worse = compare(arm("champion", 20_000, 17_800), arm("challenger", 20_000, 17_000), EVEN, PLAN)
    assert worse.verdict is Verdict.WORSE
    early = compare(arm("champion", 300, 255), arm("challenger", 300, 258), EVEN, PLAN)
    assert early.verdict is Verdict.UNDECIDED
    assert early.fixed is None
    assert early.sequential is not None


def test_every_experiment_has_a_plan() -> None:
    assert experiment("of which nobody wrote anything").alpha == 0.05


def _ever_found(one_share: float, other_share: float, runs: int, seed: int) -> float:
    """The share of experiments in which any look between 500 and 10,000 units an arm finds a difference."""
    random = np.random.default_rng(seed)
    looks = np.arange(500, 10_000, 100)
    found = 0
    for _ in range(runs):
        one, two = (np.cumsum(random.random(looks[-1]) < share) for share in (one_share, other_share))
        tests = (
            sequential.compare(arm("a", n, int(one[n - 1])), arm("b", n, int(two[n - 1])), 0.05, 0.02)
            for n in looks.tolist()
        )
        found += any(test is not None and test.p_value <= 0.05 for test in tests)
    return found / runs
