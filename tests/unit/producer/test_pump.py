"""Pacing."""

from collections.abc import Callable, Iterable
from threading import Event as Flag

import pytest
from prometheus_client import CollectorRegistry

from producer.events import Event
from producer.metrics import ProducerMetrics
from producer.pump import SLICE_MS, Pump, UnpacedClock

Simulate = Callable[..., list[Event]]
START_MS = 1_772_323_200_000


class FakeClock:
    """Time passes only by sleeping, and by `cost_ms` each time somebody looks."""

    def __init__(self, cost_ms: float = 0.0) -> None:
        self.now = float(START_MS)
        self.cost_ms = cost_ms

    def now_ms(self) -> float:
        self.now += self.cost_ms
        return self.now

    def sleep_ms(self, duration: float) -> None:
        self.now += duration


class Journal:
    """Sink and ledger in one, remembering who was told what, in order."""

    def __init__(self, clock: FakeClock | UnpacedClock, room: int = 1_000_000, stop: Flag | None = None) -> None:
        self.acknowledged = self.failed = 0
        self.sent: list[tuple[Event, float]] = []
        self.entries: list[str] = []
        self.undelivered: list[Event] = []
        self._clock = clock
        self._room = room
        self._stop = stop

    def record(self, events: Iterable[Event]) -> None:
        self.entries += [event.event_id for event in events]

    def record_undelivered(self, event: Event) -> None:
        self.undelivered.append(event)

    def offer(self, event: Event) -> bool:
        assert event.event_id in self.entries, "sent before it was accounted for"
        if len(self.sent) >= self._room:
            return False
        self.sent.append((event, self._clock.now_ms()))
        return True

    def poll(self, patience_seconds: float = 0.0) -> None:
        if patience_seconds and self._stop:
            self._stop.set()

    def finish(self, patience_seconds: float) -> None:
        raise AssertionError("the pump does not finish the sink")

    def state(self) -> str:
        return ""


def pump(journal: Journal, clock: FakeClock | UnpacedClock, stop: Flag | None = None) -> Pump:
    return Pump(journal, journal, ProducerMetrics(CollectorRegistry()), clock, stop or Flag())


def test_events_are_sent_within_a_slice_of_being_due_and_never_before(simulate: Simulate) -> None:
    clock = FakeClock()
    journal = Journal(clock)
    events = simulate(500, rate=1000)
    pump(journal, clock).run(events)

    assert [event for event, _ in journal.sent] == events
    assert all(0 <= at - event.due_ms <= 2 * SLICE_MS for event, at in journal.sent)


def test_falling_behind_skips_nothing_and_shows_as_lag(simulate: Simulate) -> None:
    clock = FakeClock(cost_ms=3.0)
    journal = Journal(clock)
    busy = pump(journal, clock)
    events = simulate(500, rate=1000)
    busy.run(events)

    assert [event for event, _ in journal.sent] == events
    assert busy.lag_ms > 1000


def test_without_a_pace_everything_goes_at_once_and_nothing_is_behind(simulate: Simulate) -> None:
    journal = Journal(UnpacedClock())
    fast = pump(journal, UnpacedClock())
    fast.run(simulate(3000))

    assert fast.sent.total() == len(journal.sent) >= 6000
    assert fast.lag_ms == 0.0


def test_a_stop_ends_the_run_at_the_next_event(simulate: Simulate) -> None:
    stop = Flag()
    stop.set()
    journal = Journal(UnpacedClock())
    pump(journal, UnpacedClock(), stop).run(simulate(10))

    assert journal.sent == []


def test_events_that_a_stop_kept_from_a_full_sink_are_accounted_as_undelivered(simulate: Simulate) -> None:
    stop = Flag()
    journal = Journal(UnpacedClock(), room=5, stop=stop)
    full = pump(journal, UnpacedClock(), stop)
    full.run(simulate(20))

    assert len(journal.sent) == 5
    assert full.unsent == len(journal.undelivered) > 0
    assert len(journal.entries) == 5 + full.unsent


def test_metrics_count_by_topic_and_kind(simulate: Simulate) -> None:
    registry = CollectorRegistry()
    journal = Journal(UnpacedClock())
    Pump(journal, journal, ProducerMetrics(registry), UnpacedClock(), Flag()).run(simulate(50))
    labels = {"topic": "ecommerce.transactions", "kind": "good"}

    assert registry.get_sample_value("producer_events_total", labels) == pytest.approx(50)
