"""Bad events."""

from collections import Counter
from collections.abc import Callable

import pytest

from domain.contracts import topics
from producer.errors import ProducerError
from producer.events import CHECKOUTS, PAYMENTS, Event, iso_text
from producer.faults import DEFAULT_SHARES, parse_shares

Simulate = Callable[..., list[Event]]
DEAD = ("undecodable", "unknown_schema", "missing_id", "non_positive_amount", "future")


@pytest.mark.parametrize("kind", DEAD)
def test_a_kind_that_is_refused_comes_as_an_extra_event_so_the_good_stream_stays_whole(
    simulate: Simulate, kind: str
) -> None:
    clean, spoilt = simulate(1000), simulate(1000, bad_shares={kind: 0.05})
    good = [event.record for event in spoilt if event.kind == "good"]
    bad = [event for event in spoilt if event.kind == kind]

    assert good == [event.record for event in clean]
    assert {event.topic for event in bad} == {PAYMENTS, CHECKOUTS}
    assert {event.expect for event in bad} == {"dead_letter"}
    assert {event.event_id for event in bad}.isdisjoint(event.event_id for event in clean)


def test_the_share_is_kept(simulate: Simulate) -> None:
    kinds = Counter(
        event.kind for event in simulate(10_000, bad_shares={"missing_id": 0.05}) if event.topic == PAYMENTS
    )

    assert kinds["missing_id"] / kinds["good"] == pytest.approx(0.05, rel=0.15)


def test_what_is_wrong_with_each_kind(simulate: Simulate) -> None:
    wrong = dict.fromkeys(DEFAULT_SHARES, 0.02)
    for event in simulate(3000, bad_shares=wrong):
        record = event.record
        match event.kind:
            case "missing_id":
                assert "" in (record["transaction_id"], record[topics()[event.topic].event_id])
            case "non_positive_amount":
                assert record["amount"] <= 0
            case "fraud_score_out_of_range":
                assert not 0 <= record["fraud_score"] <= 1
                assert event.expect == "accepted"
            case "undecodable" | "unknown_schema":
                assert event.damage == event.kind
            case "late":
                assert 120_000 <= event.due_ms - event.event_time_ms <= 600_000
                assert event.expect == "accepted"
            case "future":
                assert 600_000 <= event.event_time_ms - event.due_ms <= 172_800_000
        if event.topic == PAYMENTS:
            assert record["event_timestamp"] == event.event_time_ms
        elif event.topic == CHECKOUTS:
            assert record["timestamp"] == iso_text(event.event_time_ms)


def test_a_duplicate_repeats_an_event_that_came_before_within_half_a_minute(simulate: Simulate) -> None:
    first_due: dict[tuple[str, str], Event] = {}
    duplicates = 0
    for event in simulate(5000, bad_shares={"duplicate": 0.05}):
        original = first_due.setdefault((event.topic, event.event_id), event)
        if event.kind == "duplicate":
            duplicates += 1
            assert event.record == original.record
            assert 0 <= event.due_ms - original.due_ms < 30_000
            assert event.expect == "duplicate"
            assert original.kind == "good"

    assert duplicates > 100


def test_the_future_is_ahead_of_arrival_even_when_a_history_is_written(simulate: Simulate) -> None:
    behind = 86_400_000
    events = simulate(2000, bad_shares={"future": 0.05}, clock_behind_ms=behind)

    assert all(event.event_time_ms - event.due_ms >= behind + 600_000 for event in events if event.kind == "future")


def test_options_change_single_shares_and_none_switches_all_off() -> None:
    assert parse_shares([]) == DEFAULT_SHARES
    assert parse_shares(["late=0.5"]) == DEFAULT_SHARES | {"late": 0.5}
    assert parse_shares(["none", "late=0.5"]) == {"late": 0.5}


@pytest.mark.parametrize("option", ["rotten=0.1", "late", "late=x", "late=2", "late=-1", "late=nan"])
def test_nonsense_is_refused(option: str) -> None:
    with pytest.raises(ProducerError, match="--bad"):
        parse_shares([option])


def test_shares_beyond_the_whole_are_refused() -> None:
    with pytest.raises(ProducerError, match="more than 1"):
        parse_shares(["late=0.6", "duplicate=0.6"])
