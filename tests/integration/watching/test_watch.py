"""The watch on a real Postgres: what it finds, and that nothing it survives changes that."""

import time
from datetime import timedelta

import pytest

from ml.watching import store
from ml.watching.hours import number_of
from ml.watching.reference import Reference
from tests.integration.watching.conftest import BEGIN, VERSION, Log
from tests.unit.ml.watching.world import MODEL

FINDINGS = "select kind, feature, started_at, ended_at from ops.drift order by id"
MINUTE = timedelta(minutes=1)


def test_a_change_is_found_once_and_ended_when_it_is_over(log: Log, reference: Reference) -> None:
    log.know(reference)
    log.hours(0, 16)
    assert log.watch(16) == 16
    assert log.ask(FINDINGS) == []

    log.hours(16, 7, shift=0.35)
    for hour in range(17, 24):
        assert log.watch(hour) == 1, "each by a watcher that has just begun"
        assert log.watch(hour) == 0
    found = {(kind, feature): (started, ended) for kind, feature, started, ended in log.ask(FINDINGS)}
    assert {("data", "fraud_score"), ("prediction", "score")} <= found.keys()
    assert BEGIN + timedelta(hours=16) <= found["data", "fraud_score"][0] <= BEGIN + timedelta(hours=19)
    assert all(ended is None for _, ended in found.values())
    ((reason,),) = log.ask("select reason from ops.drift where feature = 'fraud_score'")
    assert "stability index" in reason

    log.hours(23, 20)
    log.watch(43)
    assert log.ask("select count(*) from ops.drift where ended_at is null") == [(0,)]
    assert log.ask("select count(*) from ops.drift where feature = 'fraud_score'") == [(1,)]


def test_every_answer_is_counted_once(log: Log, reference: Reference) -> None:
    log.know(reference)
    log.hours(0, 9)
    log.watch(5)
    log.watch(9)
    ((requests,),) = log.ask("select count(*) from ops.inferences")
    assert log.ask("select sum(rows) from ops.model_hours") == [(requests,)]
    assert log.ask("select sum(n::int) from ops.model_hours, jsonb_array_elements_text(counts -> 'score') as n") == [
        (requests,)
    ]


def test_labels_count_when_they_are_ripe(log: Log, reference: Reference) -> None:
    log.know(reference)
    log.hours(0, 9)
    log.watch(9)
    ripe = "select count(*) from ops.inferences where scored_at < %s"
    ((known,),) = log.ask("select count(*) from ops.inference_outcomes")
    assert [(known,)] == log.ask(ripe, [BEGIN + timedelta(hours=3)])
    sums = "select sum(outcome_rows), sum(observed), sum(predicted), sum(variance), sum(loss) from ops.model_hours"
    ((rows, observed, predicted, variance, loss),) = log.ask(sums)
    wanted = """
        select count(*), sum(t.is_fraud::int), sum(i.score), sum(i.score * (1 - i.score)),
            sum(-ln(case when t.is_fraud then i.score else 1 - i.score end))
        from ops.inferences i join live.transactions t using (transaction_id) where i.scored_at < %s
    """
    ((n, frauds, answers, spread, losses),) = log.ask(wanted, [BEGIN + timedelta(hours=3)])
    assert (rows, observed) == (n, frauds)
    assert (predicted, variance, loss) == pytest.approx((answers, spread, losses))


def test_an_attempt_is_the_outcome_of_the_answer_that_it_followed(log: Log) -> None:
    at = BEGIN + 5 * MINUTE
    approval, routing, retry = "approval_propensity_model", "smart_routing_policy", "smart_retry_policy"
    log.add(
        log.inference(at, {"attempt_number": 1}, 0.9, model=approval, transaction_id="t1"),
        log.inference(at + 9 * MINUTE, {"attempt_number": 2}, 0.5, model=approval, transaction_id="t1"),
        log.inference(at, {}, 0.9, model=approval, transaction_id="never made"),
        log.inference(at, {}, 0.9, model=routing, transaction_id="t1", decision="A"),
        log.inference(at, {}, 0.9, model=routing, transaction_id="t1", decision="B"),
        log.inference(at + MINUTE, {"previous_attempts": 1}, 0.4, model=retry, transaction_id="t1", decision="10"),
        log.inference(at + MINUTE, {"previous_attempts": 2}, 0.4, model=retry, transaction_id="t1", decision="10"),
    )
    log.attempt("t1", at + timedelta(seconds=2), False, processor="A")
    log.attempt("t1", at + 10 * MINUTE, True, number=2, processor="A")
    for model in (approval, routing, retry):
        for _ in range(2):
            store.settle(log.watching, model, number_of(BEGIN), "")
    query = (
        "select i.model, coalesce(i.request ->> 'attempt_number', i.request ->> 'previous_attempts', i.decision), "
        "o.outcome from ops.inference_outcomes o join ops.inferences i using (scored_at, request_id, model, version)"
    )
    assert sorted(log.ask(query)) == [
        (approval, "1", False),
        (approval, "2", True),
        (retry, "1", True),
        (routing, "A", False),
    ]


def test_a_version_without_reference_is_counted_and_not_judged(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.watching.watch.fetch", lambda version: None)
    log.hours(0, 8, shift=0.35)
    assert log.watch(8) == 8
    assert log.ask(FINDINGS) == []
    assert log.ask("select count(*) from ops.model_hours where rows > 0") == [(8,)]


def test_drift_of_a_version_that_nobody_asks_any_more_is_over(log: Log, reference: Reference) -> None:
    log.know(reference)
    log.hours(0, 10, shift=0.35)
    log.watch(10)
    assert log.ask("select count(*) > 0 from ops.drift where ended_at is null") == [(True,)]
    log.watch(10 + 49)
    assert log.ask("select count(*) from ops.drift where ended_at is null") == [(0,)]
    assert log.ask("select bool_and(reason like '%%it is no longer asked') from ops.drift") == [(True,)]


def test_one_watcher_works_at_a_time(log: Log) -> None:
    with store.connect(log.url) as first, store.connect(log.url) as second:
        assert store.is_alone(first)
        assert not store.is_alone(second)
        first.close()
        deadline = time.monotonic() + 30
        while not store.is_alone(second):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_hours_of_many_requests_are_looked_at_in_part(log: Log) -> None:
    log.hours(0, 1)
    requests, scores = store.sample(log.watching, (MODEL, VERSION), number_of(BEGIN), 3)
    ((all_of_them,),) = log.ask("select count(*) from ops.inferences")
    assert len(requests) == len(scores)
    assert 0.1 * all_of_them < len(requests) < 0.6 * all_of_them
