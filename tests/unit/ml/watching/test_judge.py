"""A quiet week raises nothing; what changes is seen, named, and over when it is over."""

from dataclasses import replace

import pytest

from ml.policy import watching
from ml.watching.hours import Hour, Outcomes
from ml.watching.judge import Finding, judge, looks
from ml.watching.reference import RARE, SCORE, Reference
from tests.unit.ml.watching.world import World

POLICY = watching()


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def reference(world: World) -> Reference:
    return world.reference()


def follow(reference: Reference, hours: list[Hour]) -> list[Finding]:
    """What a watcher finds that looks at each hour in turn: every finding at its newest state."""
    found: list[Finding] = []
    for place in range(POLICY.window_hours, len(hours)):
        until = hours[place].number
        known = [one for one in found if one.ended is None]
        changed = judge(looks(reference, hours[: place + 1], until, POLICY), until, known, POLICY)
        keys = {one.key for one in changed}
        found = [one for one in found if one.ended is not None or one.key not in keys] + changed
    return found


def test_a_quiet_week_raises_nothing(world: World, reference: Reference) -> None:
    assert follow(reference, world.hours(reference, 7)) == []


def test_a_week_without_the_hours_in_the_reference_would_raise_much(world: World, reference: Reference) -> None:
    """What the day explains is a lot: the test above is not empty."""
    mixed = {name: 0 * one + one.sum(axis=0) // len(one) for name, one in reference.counts.items()}
    assert follow(replace(reference, counts=mixed), world.hours(reference, 1.5))


def test_little_is_no_drift_however_it_looks(reference: Reference) -> None:
    sparse = World(rows=10, seed=8)
    assert follow(reference, sparse.hours(reference, 1, shift=0.4, luck=2.0)) == []


def test_requests_that_changed_are_drift_with_a_reason_and_an_end(world: World, reference: Reference) -> None:
    quiet, changed = world.hours(reference, 2), world.hours(reference, 2, shift=0.3)
    hours = [*quiet[:12], *changed[12:24], *quiet[24:]]
    found = {one.key: one for one in follow(reference, hours)}
    score = found["data", "fraud_score"]
    assert 0 <= score.started - hours[12].number <= 3
    assert score.ended is not None
    assert 0 < score.ended - hours[24].number <= 8
    assert ("prediction", "score") in found
    assert ("data", "merchant_segment") not in found


def test_a_rare_outcome_that_is_expected_more_often_is_seen_and_ends(world: World, reference: Reference) -> None:
    """As in a burst of fraud: few answers in all, and many times as many as before."""
    asks_for_fraud = replace(reference, performance=replace(reference.performance, observed=0.01), model="any of two")
    places = asks_for_fraud.rare_places
    assert reference.counts[SCORE].sum(axis=0)[list(places)].sum() == pytest.approx(0.01 * reference.rows, rel=0.3)

    def burst(hour: Hour) -> Hour:
        counts = list(hour.counts[SCORE])
        counts[places[0]] += hour.rows // 15
        return replace(hour, counts={**hour.counts, SCORE: counts})

    quiet = [replace(one, outcomes=Outcomes()) for one in world.hours(reference, 3)]
    hours = [*quiet[:24], *map(burst, quiet[24:36]), *quiet[36:]]
    (found,) = follow(asks_for_fraud, hours)
    assert found.key == ("prediction", RARE)
    assert 0 <= found.started - hours[24].number <= 6
    assert found.ended is not None
    assert "answers that expect the rarer outcome" in found.reason
    assert follow(asks_for_fraud, quiet) == []


def test_the_reason_names_what_moved(world: World, reference: Reference) -> None:
    found = follow(reference, world.hours(reference, 0.5, shift=0.3))
    (reason,) = [one.reason for one in found if one.key == ("data", "fraud_score")]
    assert reason.startswith("fraud_score: ")
    assert " from " in reason
    assert "stability index" in reason


def test_outcomes_that_answers_miss_are_drift_of_performance(world: World, reference: Reference) -> None:
    found = {one.key: one for one in follow(reference, world.hours(reference, 1, luck=-1.2))}
    assert found.keys() == {("performance", "calibration"), ("performance", "log_loss")} or found.keys() == {
        ("performance", "calibration")
    }
    assert "were predicted and" in found["performance", "calibration"].reason


def test_one_bad_look_is_not_enough(world: World, reference: Reference) -> None:
    bad = world.hours(reference, 0.5, shift=0.3)
    once = looks(reference, bad, bad[-1].number, POLICY)
    calm: list[list[object]] = [[] for _ in once[:-1]]
    assert judge([*calm, once[-1]], bad[-1].number, [], POLICY) == []  # type: ignore[list-item]


def test_between_the_thresholds_nothing_changes(world: World, reference: Reference) -> None:
    quiet = world.hours(reference, 1)
    seen = looks(reference, quiet, quiet[-1].number, POLICY)
    known = Finding("data", "fraud_score", 0, 0.5, 1000, "moved", None, 7)

    def judged(value: float) -> Finding:
        between = [[replace(one, value=value, chance=0.0) for one in readings] for readings in seen]
        (one,) = [one for one in judge(between, quiet[-1].number, [known], POLICY) if one.id == 7]
        return one

    assert judged(0.15).ended is None
    assert judged(0.09).ended is not None


def test_what_moved_as_much_within_training_is_no_drift(world: World, reference: Reference) -> None:
    used_to_it = replace(reference, usual={**reference.usual, "fraud_score": 50.0})
    keys = {one.key for one in follow(used_to_it, world.hours(reference, 0.5, shift=0.3))}
    assert ("data", "fraud_score") not in keys
    assert ("prediction", "score") in keys
