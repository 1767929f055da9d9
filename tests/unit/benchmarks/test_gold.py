"""What fills Postgres for the gold benchmark copies as often as it should, and its readers count what they see."""

import pytest

from benchmarks.gold_readers import Seen, rows
from benchmarks.gold_report import missed, result, text
from benchmarks.gold_rows import bytes_needed
from benchmarks.gold_run import Grown, Plan, Run
from benchmarks.gold_sample import Sample, copies, draw, times_copied


@pytest.fixture(scope="module")
def sample() -> Sample:
    return draw(1, lambda _: None)


def test_hours_that_follow_the_curve_hold_as_many_payments_as_asked_for(sample: Sample) -> None:
    hours = list(range(100, 124))
    begun_in = copies(sample, 60_000, hours)
    filled = [
        times_copied(sample.payments, [begun_in(hour - back) for back in range(sample.most_hours_after + 1)]).sum()
        for hour in hours
    ]
    assert sum(filled) == pytest.approx(60_000, rel=0.02)
    assert max(filled) > 3 * min(filled)


def test_a_purchase_is_copied_with_all_its_attempts(sample: Sample) -> None:
    counts = times_copied(sample.payments, [2.4] * (sample.most_hours_after + 1))
    assert set(counts) == {2, 3}
    by_purchase: dict[str, set[int]] = {}
    for purchase, count in zip(sample.payments["transaction_id"].to_pylist(), counts, strict=True):
        by_purchase.setdefault(purchase, set()).add(int(count))
    assert all(len(found) == 1 for found in by_purchase.values())


def test_the_heads_of_ids_tell_the_sample_apart(sample: Sample) -> None:
    heads = [event_id[:28] for event_id in sample.payments["event_id"].to_pylist()]
    assert len(set(heads)) == len(heads) == sample.payments.num_rows
    minutes = sample.payments["minute"].to_pylist()
    assert minutes == sorted(minutes)
    assert set(minutes) <= set(range(60))


def test_more_rows_need_more_room() -> None:
    assert 40e9 < bytes_needed(86_400_000) < 62e9
    assert bytes_needed(1) < 10e9


def test_a_run_grows_only_to_more() -> None:
    plan = Plan(1000, 10, 1, 1, 1.0, 0.0, beside_the_stream=False)
    assert plan.sizes == [10, 1000]
    assert Plan(**{**vars(plan), "grow_from": 0}).sizes == [1000]
    assert Plan(**{**vars(plan), "grow_from": 5000}).sizes == [1000]


def test_a_run_in_which_all_failed_has_a_result_that_says_so() -> None:
    run = Run(grown=[Grown()])
    with run.phase("filling", lambda _: None):
        raise OSError("No space left on device")
    plan = Plan(1000, 0, 1, 1, 1.0, 0.0, beside_the_stream=False)
    assert result(plan, run, 0.0).metrics["failures"] == {"filling": "No space left on device"}
    assert "- filling: No space left on device" in text(plan, run)


def test_readers_tell_percentiles_by_endpoint_and_together() -> None:
    seen = Seen()
    seen.answers["a"] += [1.0, 3.0]
    seen.answers["b"] += [500.0]
    assert seen.count == 3
    assert seen.figures()["all"]["max_ms"] == 500.0
    assert [(row[0], row[1], row[2]) for row in rows(seen)] == [("all", 3, 3.0), ("a", 2, 2.0), ("b", 1, 500.0)]
    assert missed(seen) == ["b"] or missed(seen) == ["all", "b"]


def test_the_processor_time_of_an_answer_is_told() -> None:
    seen = Seen(seconds=10.0)
    seen.answers["a"] += [1.0] * 2000
    run = Run(grown=[Grown()], many=seen, cores={"api": 0.5, "stream JVM": 1.2})
    plan = Plan(1000, 0, 1, 1, 1.0, 0.0, beside_the_stream=True)
    assert result(plan, run, 0.0).metrics["api_cpu_ms_per_answer"] == 2.5
    assert "Cores used meanwhile. Of the API's that is 2.5 ms for each answer." in text(plan, run)
