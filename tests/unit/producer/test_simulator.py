"""The world played forward."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import pytest

from domain.contracts import avro_schema, decline_reasons
from producer.events import CHECKOUTS, MESSAGES, PAYMENTS, Event
from producer.faults import DEFAULT_SHARES
from producer.incidents import parse_incident

Simulate = Callable[..., list[Event]]
# Of the first 500 purchases of seed 7. It changes whenever the world does, and never between machines.
FINGERPRINT = "c9c56d3dc2754936dc95f3f2f3052723c7f8ceba666e4ea092dbb24d1d02a16b"


def of(events: list[Event], topic: str) -> list[Event]:
    return [event for event in events if event.topic == topic]


def fingerprint(events: list[Event]) -> str:
    lines = [json.dumps([event.topic, event.kind, event.due_ms, event.record], sort_keys=True) for event in events]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_same_seed_gives_the_same_events_on_any_machine(simulate: Simulate) -> None:
    assert fingerprint(simulate(500, bad_shares=DEFAULT_SHARES)) == FINGERPRINT


def test_another_seed_gives_other_events(simulate: Simulate) -> None:
    assert fingerprint(simulate(50)) != fingerprint(simulate(50, seed=8))


def test_ids_follow_from_the_seed_alone_and_not_from_the_start(simulate: Simulate) -> None:
    now, later = simulate(200), simulate(200, start_ms=1_800_000_000_000)

    assert {event.event_id for event in of(now, CHECKOUTS)} == {event.event_id for event in of(later, CHECKOUTS)}


def test_runs_under_another_namespace_share_no_ids(simulate: Simulate) -> None:
    history = {event.event_id for event in simulate(300, namespace="backfill")}

    assert history.isdisjoint(event.event_id for event in simulate(300))


def test_events_come_in_the_order_in_which_they_are_due(simulate: Simulate) -> None:
    events = simulate(2000, bad_shares=DEFAULT_SHARES)

    assert all(before.due_ms <= after.due_ms for before, after in pairwise(events))


def test_every_purchase_has_one_checkout_and_one_first_attempt_that_agree(simulate: Simulate) -> None:
    events = simulate(2000)
    checkouts = {event.key: event.record for event in of(events, CHECKOUTS)}
    firsts = [event.record for event in of(events, PAYMENTS) if event.record["attempt_number"] == 1]

    assert len(checkouts) == len(firsts) == 2000
    for payment in firsts:
        assert payment["amount"] == checkouts[payment["transaction_id"]]["amount"] > 0


def test_a_retry_follows_its_decline_and_says_so(simulate: Simulate) -> None:
    attempts: dict[str, list[Event]] = {}
    for event in of(simulate(3000, rate=0.5), PAYMENTS):
        attempts.setdefault(event.key, []).append(event)
    retried = [tries for tries in attempts.values() if len(tries) > 1]

    assert len(retried) > 50
    for tries in retried:
        for before, after in pairwise(tries):
            assert after.record["attempt_number"] == before.record["attempt_number"] + 1
            assert after.record["previous_decline_reason"] == before.record["decline_reason"] is not None
            waited = (after.event_time_ms - before.event_time_ms - after.record["processing_latency_ms"]) / 60_000
            assert after.record["minutes_since_decline"] == pytest.approx(waited, abs=0.01)


def test_event_ids_are_unique(simulate: Simulate) -> None:
    events = simulate(3000, rate=0.5)

    assert max(Counter((event.topic, event.event_id) for event in events).values()) == 1


def test_records_have_exactly_the_fields_of_their_schema(simulate: Simulate) -> None:
    fields = {
        topic: [field["name"] for field in avro_schema(topic)["fields"]] for topic in (CHECKOUTS, PAYMENTS, MESSAGES)
    }
    events = simulate(2000, rate=0.5)

    assert {event.topic for event in events} == set(fields)
    assert all(list(event.record) == fields[event.topic] for event in events)


def test_declines_have_a_reason_of_the_taxonomy_and_approvals_none(simulate: Simulate) -> None:
    for event in of(simulate(2000), PAYMENTS):
        reason = event.record["decline_reason"]
        assert reason is None if event.record["is_approved"] else reason in decline_reasons()


def test_rates_of_approval_and_fraud_are_those_of_a_real_business(simulate: Simulate) -> None:
    events = simulate(20_000, rate=0.25)
    payments, checkouts = of(events, PAYMENTS), of(events, CHECKOUTS)

    assert 0.83 <= sum(event.record["is_approved"] for event in payments) / len(payments) <= 0.90
    assert 0.006 <= sum(event.record["is_fraud"] for event in checkouts) / len(checkouts) <= 0.015


def test_scores_stay_in_their_range(simulate: Simulate) -> None:
    for event in of(simulate(2000), PAYMENTS):
        for score in ("fraud_score", "aml_risk_score", "device_trust_score", "velocity_score"):
            assert 0.0 <= event.record[score] <= 1.0


def test_an_issuer_outage_declines_its_customers_only_while_it_lasts(simulate: Simulate) -> None:
    outage = parse_incident("issuer_outage:at=10s,for=10s,issuer=Thames Bank")
    declined: Counter[tuple[bool, bool]] = Counter()
    for event in of(simulate(4000, incidents=(outage,)), PAYMENTS):
        at = event.event_time_ms - event.record["processing_latency_ms"] - 1_772_323_200_000
        is_hit = event.record["issuer"] == "Thames Bank" and 10_000 <= at < 20_000
        declined[is_hit, event.record["decline_reason"] == "issuer_unavailable"] += 1

    assert declined[True, True] > 5 * declined[True, False]
    assert declined[False, False] > 20 * declined[False, True]


def test_a_processor_drop_shows_as_errors_of_that_processor(simulate: Simulate) -> None:
    drop = parse_incident("processor_drop:processor=ProcessorA,share=0.5")
    payments = of(simulate(3000, incidents=(drop,)), PAYMENTS)
    errors = Counter(event.record["processor"] for event in payments if event.record["pipeline_error"])

    assert errors["ProcessorA"] > 10 * (errors["ProcessorB"] + errors["ProcessorC"])


def test_a_fraud_burst_raises_the_share_of_fraud(simulate: Simulate) -> None:
    burst = parse_incident("fraud_burst:share=0.3")
    checkouts = of(simulate(2000, incidents=(burst,)), CHECKOUTS)

    assert sum(event.record["is_fraud"] for event in checkouts) > 500


def test_a_slow_processor_takes_its_factor_longer_and_the_others_do_not(simulate: Simulate) -> None:
    def typical(processor: str, events: list[Event]) -> float:
        records = [event.record for event in of(events, PAYMENTS)]
        return median(record["processing_latency_ms"] for record in records if record["processor"] == processor)

    calm = simulate(1000)
    slow = simulate(1000, incidents=(parse_incident("latency_spike:processor=ProcessorB,factor=4"),))
    assert typical("ProcessorB", slow) / typical("ProcessorB", calm) == pytest.approx(4, rel=0.1)
    assert typical("ProcessorA", slow) / typical("ProcessorA", calm) == pytest.approx(1, rel=0.1)


def test_lost_customers_buy_nothing(simulate: Simulate) -> None:
    lost = of(simulate(2000, incidents=(parse_incident("volume_drop:share=0.75"),)), CHECKOUTS)
    assert 400 < len(lost) < 600
