"""Wishes to train again: asked for once, taken by one, and not lost with who took them."""

from datetime import timedelta

import pytest

from ml.policy import retraining as policy
from ml.watching import retraining, store
from tests.integration.watching.conftest import BEGIN, VERSION, Log
from tests.unit.ml.watching.world import MODEL

WISHES = "select model, state, attempts from ops.retraining_requests order by id"
HOUR = timedelta(hours=1)


@pytest.fixture
def drifting(log: Log) -> Log:
    """Performance has drifted since BEGIN, of the champion."""
    log.add(*[log.inference(BEGIN + hour * HOUR, {}, 0.5) for hour in range(0, 100, 10)])
    log.connection.execute(
        "insert into ops.drift (model, version, kind, feature, started_at, value, rows, reason) "
        "values (%s, %s, 'performance', 'calibration', %s, 0.7, 900, '88.0%% were predicted and 70.0%% came true')",
        [MODEL, VERSION, BEGIN],
    )
    return log


def test_only_lasting_drift_asks_and_not_again_at_once(drifting: Log) -> None:
    def asked(hours: float) -> list[str]:
        return retraining.ask(drifting.watching, BEGIN + hours * HOUR)

    assert asked(5) == []
    assert asked(6) == [MODEL]
    assert asked(6) == asked(50) == [], "one is open"
    ((why,),) = drifting.ask("select why from ops.retraining_requests")
    assert "performance drift of version 3 since 2026-03-30 00:00: 88.0% were predicted" in why
    drifting.connection.execute("update ops.retraining_requests set state = 'done'")
    assert asked(6 + policy().cool_down_hours - 1) == []
    assert asked(6 + policy().cool_down_hours + 1) == [MODEL]


def test_there_are_only_so_many_in_a_week(drifting: Log) -> None:
    hours = range(6, 6 + 25 * 5, 25)
    drifting.add(*[drifting.inference(BEGIN + hour * HOUR, {}, 0.5) for hour in (100, 110, 119)])
    for hour in hours:
        retraining.ask(drifting.watching, BEGIN + hour * HOUR)
        drifting.connection.execute("update ops.retraining_requests set state = 'done'")
    assert len(drifting.ask(WISHES)) == policy().most_per_week


def test_drift_that_is_over_or_not_the_champions_asks_for_nothing(drifting: Log) -> None:
    drifting.connection.execute("update ops.inferences set arm = 'shadow'")
    assert retraining.ask(drifting.watching, BEGIN + 10 * HOUR) == []
    drifting.connection.execute("update ops.inferences set arm = 'champion'")
    drifting.connection.execute("update ops.drift set ended_at = %s", [BEGIN + 9 * HOUR])
    assert retraining.ask(drifting.watching, BEGIN + 10 * HOUR) == []


def test_two_who_train_take_different_wishes(log: Log) -> None:
    for model in ("fraud_detection_model", MODEL):
        log.connection.execute("insert into ops.retraining_requests (model, why) values (%s, 'asked by hand')", [model])
    with (
        store.connect(log.url) as one,
        store.connect(log.url) as other,
        store.connect(log.url) as third,
        retraining.taken(one) as first,
        retraining.taken(other) as second,
        retraining.taken(third) as nothing,
    ):
        assert first is not None
        assert second is not None
        assert nothing is None
        retraining.finish(one, first, "run 1", "7", None)
        retraining.fail(other, second, "there is nothing to train from")
    found = log.ask("select model, state, run_id, version, note from ops.retraining_requests order by id")
    assert found == [
        ("fraud_detection_model", "done", "run 1", 7, None),
        (MODEL, "failed", None, None, "there is nothing to train from"),
    ]


def test_who_was_killed_leaves_the_wish_to_the_next_and_not_for_ever(log: Log) -> None:
    log.connection.execute("insert into ops.retraining_requests (model, why) values (%s, 'asked by hand')", [MODEL])
    for attempt in range(1, policy().most_attempts + 1):
        victim = store.connect(log.url)
        with retraining.taken(victim) as request:
            assert request is not None
            victim.close()  # as a kill does; what the block does then is nothing to Postgres
            victim = store.connect(log.url)
            assert log.ask(WISHES) == [(MODEL, "running", attempt)]
        victim.close()
    with store.connect(log.url) as last, retraining.taken(last) as request:
        assert request is None
    assert log.ask(WISHES) == [(MODEL, "failed", policy().most_attempts)]


def test_a_training_that_could_not_be_begun_counts_as_no_attempt(log: Log) -> None:
    log.connection.execute("insert into ops.retraining_requests (model, why) values (%s, 'asked by hand')", [MODEL])
    with store.connect(log.url) as connection, retraining.taken(connection) as request:
        assert request is not None
        retraining.give_back(connection, request)
    assert log.ask(WISHES) == [(MODEL, "asked", 0)]
