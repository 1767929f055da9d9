"""The Kafka sink, without a broker: what happens when there is none."""

from collections.abc import Callable, Iterable

import pytest
from prometheus_client import CollectorRegistry

from domain.contracts import topics
from producer.events import Event
from producer.kafka import KafkaSink
from producer.metrics import ProducerMetrics
from producer.settings import ProducerSettings
from producer.wire import Encoder

Simulate = Callable[..., list[Event]]


class Undelivered:
    """A ledger that keeps only failures."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, events: Iterable[Event]) -> None:
        raise AssertionError("the sink accounts for failures only")

    def record_undelivered(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def ledger() -> Undelivered:
    return Undelivered()


@pytest.fixture
def sink(ledger: Undelivered) -> KafkaSink:
    settings = ProducerSettings(kafka_bootstrap_servers="127.0.0.1:1", queue_messages=1000)
    return KafkaSink(settings, Encoder(dict.fromkeys(topics(), 1)), ledger, ProducerMetrics(CollectorRegistry()))


def test_a_full_queue_asks_to_wait_instead_of_dropping(sink: KafkaSink, simulate: Simulate) -> None:
    taken = [sink.offer(event) for event in simulate(600)]

    assert taken.count(True) == 1000
    assert taken[-1] is False
    sink.finish(0.0)


def test_what_is_given_up_is_counted_and_accounted_for(
    sink: KafkaSink, ledger: Undelivered, simulate: Simulate
) -> None:
    events = simulate(20)
    for event in events:
        assert sink.offer(event)
    sink.finish(0.1)

    assert (sink.acknowledged, sink.failed) == (0, len(events))
    assert {event.event_id for event in ledger.events} == {event.event_id for event in events}
    assert sink.state() != ""


def test_an_oversized_event_fails_at_once_and_does_not_stop_the_run(
    sink: KafkaSink, ledger: Undelivered, simulate: Simulate
) -> None:
    event = simulate(1)[0]
    event.record["merchant"] = "x" * 9_000_000

    assert sink.offer(event)
    assert ledger.events == [event]
