"""Sends events when they are due: an open loop that never skips one, however far behind it falls."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import takewhile
from math import isfinite
from threading import Event as Flag
from typing import Protocol

from producer.events import Event
from producer.ledger import Ledger
from producer.metrics import ProducerMetrics
from producer.sinks import Sink

SLICE_MS = 10
MAX_SLICE_EVENTS = 1000
LONGEST_SLEEP_MS = 200.0
FULL_SINK_PATIENCE_SECONDS = 0.1


class Clock(Protocol):
    """Event time as it passes; a fast-forward has none."""

    def now_ms(self) -> float:
        """The instant that is due now, in milliseconds since 1970."""

    def sleep_ms(self, duration: float) -> None:
        """Let this much time pass."""


class PacedClock:
    """Runs with the machine's monotonic clock from `start_ms` on."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._started_at = time.monotonic()

    def now_ms(self) -> float:
        """Start plus the time that passed since."""
        return self._start_ms + (time.monotonic() - self._started_at) * 1000

    def sleep_ms(self, duration: float) -> None:
        """Sleep."""
        time.sleep(duration / 1000)


class UnpacedClock:
    """Everything is due at once."""

    def now_ms(self) -> float:
        """After everything."""
        return float("inf")

    def sleep_ms(self, duration: float) -> None:
        """Never waits."""


class Pump:
    """Moves events into the ledger and then into the sink, in slices of some 10 ms."""

    def __init__(self, sink: Sink, ledger: Ledger, metrics: ProducerMetrics, clock: Clock, stop: Flag) -> None:
        self.sent: Counter[tuple[str, str]] = Counter()
        self.unsent = 0  # in the ledger, but not handed over because of a stop
        self.on_slice: Callable[[], None] = _nothing
        self.lag_ms = 0.0
        self._sink = sink
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._stop = stop

    def run(self, events: Iterable[Event]) -> None:
        """Send all events, or until `stop` is set."""
        waiting: list[Event] = []
        now_ms = self._clock.now_ms()
        for event in events:
            if event.due_ms > now_ms or len(waiting) >= MAX_SLICE_EVENTS:
                self._ship(waiting, now_ms)
                waiting = []
                now_ms = self._wait_until(max(event.due_ms, now_ms + SLICE_MS))
            if self._stop.is_set():
                return
            waiting.append(event)
        self._ship(waiting, now_ms)

    def _ship(self, events: list[Event], now_ms: float) -> None:
        if events:
            self._ledger.record(events)
            taken = sum(1 for _ in takewhile(self._hand_over, events))
            self._count(events[:taken], now_ms)
            self.unsent += len(events) - taken
            for event in events[taken:]:
                self._ledger.record_undelivered(event)
        self._sink.poll()
        self.on_slice()

    def _hand_over(self, event: Event) -> bool:
        """Wait for room as long as it takes; False when told to stop meanwhile."""
        while not self._sink.offer(event):
            if self._stop.is_set():
                return False
            self._sink.poll(FULL_SINK_PATIENCE_SECONDS)
            self.on_slice()
        return True

    def _count(self, events: list[Event], now_ms: float) -> None:
        counts = Counter((event.topic, event.kind) for event in events)
        self.sent.update(counts)
        for (topic, kind), number in counts.items():
            self._metrics.events.labels(topic, kind).inc(number)
        if events and isfinite(now_ms):
            self.lag_ms = max(0.0, self._clock.now_ms() - events[0].due_ms - SLICE_MS)
        self._metrics.lag.set(self.lag_ms / 1000)

    def _wait_until(self, due_ms: float) -> float:
        now_ms = self._clock.now_ms()
        while now_ms < due_ms and not self._stop.is_set():
            self._clock.sleep_ms(min(due_ms - now_ms, LONGEST_SLEEP_MS))
            now_ms = self._clock.now_ms()
            self._sink.poll()
            self.on_slice()
        return now_ms


def _nothing() -> None:
    """What a pump without a watcher calls."""
