"""Plays the world forward and yields its events in the order in which they are due. Pure: no clock, no I/O."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

from producer import approval
from producer.attempts import checkout_event, payment_event
from producer.draw import uuid_text
from producer.events import Event, IsoClock
from producer.faults import DEFAULT_SHARES, Faults
from producer.fraudsters import Fraudsters
from producer.incidents import Incident, IncidentCalendar
from producer.messages import PendingMessage, Writers
from producer.purchases import Purchase, Shoppers, honest_3ds
from producer.retries import retry_wait
from producer.schedule import Schedule
from producer.world import World

# Beyond this many, nobody plans for later than LONG_WAIT_MS ahead, or a day of streaming would fill the memory.
MAX_PENDING = 300_000
LONG_WAIT_MS = 600_000
Witness = Callable[[Purchase, int, str | None], None]
"""Is told of every attempt, as it stands: the purchase, the instant in milliseconds, why declined or None."""


@dataclass(frozen=True)
class Scenario:
    """All that a simulation follows from: equal scenarios yield equal events on any machine."""

    seed: int
    schedule: Schedule
    namespace: str = "simulate"  # runs of one seed under different namespaces share the world but no ids
    customers: int = 400_000
    merchants: int = 400
    bad_shares: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_SHARES))
    incidents: tuple[Incident, ...] = ()
    clock_behind_ms: int = 0  # how far event time lies behind the arrival at Kafka


class Simulator:
    """Iterate it for the events."""

    def __init__(self, scenario: Scenario, witness: Witness | None = None) -> None:
        def chance(purpose: str) -> Random:
            return Random(f"{scenario.seed}/{scenario.namespace}/{purpose}")

        self.world = World(scenario.seed, scenario.customers, scenario.merchants)
        self._schedule = scenario.schedule
        self._ids = chance("ids")
        self._rng = chance("attempts")
        self._shoppers = Shoppers(self.world, chance("shoppers"))
        self._fraudsters = Fraudsters(self.world, chance("fraudsters"))
        self._writers = Writers(chance("messages"))
        self._losses = chance("losses")
        self._faults = Faults(scenario.bad_shares, chance("faults"), scenario.clock_behind_ms)
        self._calendar = IncidentCalendar(scenario.incidents)
        self._pending: list[tuple[int, int, Any]] = []
        self._planned = 0
        self._clock = IsoClock()
        self._last_first_attempt_ms = 0
        self._witness = witness

    def __iter__(self) -> Iterator[Event]:
        """Events by the instant at which they are due; ends with the schedule's last purchase and its first attempt."""
        for at_ms in self._schedule.instants():
            yield from self._due_before(at_ms)
            yield from self._start_purchase(at_ms)
        yield from self._due_before(self._last_first_attempt_ms + 1)

    def next_purchase(self, at_ms: int) -> Purchase:
        """Draw the purchase of this instant, without authorising it."""
        bits = self._ids.getrandbits(128)
        conditions = self._calendar.at(at_ms - self._schedule.start_ms)
        is_fraud = self._rng.random() < self._fraudsters.share_at(at_ms, conditions.extra_fraud)
        buyers = self._fraudsters if is_fraud else self._shoppers
        return buyers.buy(bits, uuid_text(bits))

    def _start_purchase(self, at_ms: int) -> Iterator[Event]:
        lost = self._calendar.at(at_ms - self._schedule.start_ms).lost_share
        if lost and self._losses.random() < lost:
            return
        purchase = self.next_purchase(at_ms)
        self._attempt(purchase, at_ms, is_first=True)
        event = checkout_event(purchase, at_ms, self._clock.text(at_ms))
        extra = self._faults.spoil(event)
        yield event
        if extra is not None:
            self._plan(extra.due_ms, extra)

    def _due_before(self, at_ms: int) -> Iterator[Event]:
        pending = self._pending
        while pending and pending[0][0] < at_ms:
            due_ms, _, item = heappop(pending)
            if type(item) is Purchase:
                self._attempt(item, due_ms)
            elif type(item) is PendingMessage:
                yield self._writers.write(item, due_ms)
            else:
                yield item

    def _attempt(self, purchase: Purchase, at_ms: int, is_first: bool = False) -> None:
        """Authorise, and plan the answer's event and what follows from it."""
        random = self._rng.random
        conditions = self._calendar.at(max(at_ms - self._schedule.start_ms, 0))
        gates = approval.hazards(purchase, purchase.processor, at_ms // 3_600_000 % 24, conditions)
        reason = approval.outcome(gates, random())
        latency = approval.latency_ms(purchase, purchase.processor, reason, random())
        if conditions.processor_slowness:
            latency = int(latency * conditions.processor_slowness.get(purchase.processor, 1.0))
        answered_ms = at_ms + latency
        if is_first and answered_ms > self._last_first_attempt_ms:
            self._last_first_attempt_ms = answered_ms
        self._plan_event(payment_event(purchase, reason, latency, answered_ms))
        if self._witness is not None:
            self._witness(purchase, at_ms, reason)
        if reason is not None and self._plan_retry(purchase, reason, answered_ms):
            return
        self._plan_message(purchase, reason is None, answered_ms)

    def _plan_event(self, event: Event) -> None:
        extra = self._faults.spoil(event)
        self._plan(event.due_ms, event)
        if extra is not None:
            self._plan(extra.due_ms, extra)

    def _plan_retry(self, purchase: Purchase, reason: str, declined_ms: int) -> bool:
        random = self._rng.random
        wait = retry_wait(reason, purchase.attempt_number, random(), random())
        if wait is None or not self._has_room(wait * 60_000):
            return False
        retry_ms = declined_ms + int(wait * 60_000)
        purchase.attempt_number += 1
        purchase.previous_decline_reason = reason
        purchase.minutes_since_decline = round(wait, 4)
        purchase.velocity_score = min(0.84, round(purchase.velocity_score + 0.1, 4))
        if reason == "3ds_failed":
            purchase.three_ds_outcome = honest_3ds(random())
        self._plan(retry_ms, purchase)
        return True

    def _plan_message(self, purchase: Purchase, is_approved: bool, at_ms: int) -> None:
        planned = self._writers.plan(purchase, is_approved, at_ms)
        if planned is not None and self._has_room(planned[0] - at_ms):
            self._plan(planned[0], planned[1])

    def _has_room(self, wait_ms: float) -> bool:
        return wait_ms < LONG_WAIT_MS or len(self._pending) < MAX_PENDING

    def _plan(self, due_ms: int, item: Event | Purchase | PendingMessage) -> None:
        self._planned += 1
        heappush(self._pending, (due_ms, self._planned, item))
