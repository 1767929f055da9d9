"""Bad events: which share of the stream is damaged, in which way, and what must become of each."""

from collections.abc import Iterable
from random import Random

from domain.contracts import topics
from producer.errors import ProducerError
from producer.events import CHECKOUTS, PAYMENTS, Event

# Kinds and their default share of the events of a money topic.
DEFAULT_SHARES = {
    "undecodable": 0.0005,
    "unknown_schema": 0.0002,
    "missing_id": 0.0005,
    "non_positive_amount": 0.0005,
    "fraud_score_out_of_range": 0.0005,
    "late": 0.002,
    "duplicate": 0.002,
    "future": 0.0003,
}
EXPECT = {"fraud_score_out_of_range": "accepted", "late": "accepted", "duplicate": "duplicate"}
DUPLICATE_WITHIN_MS = 30_000
LATE_MS = (120_000, 600_000)
FUTURE_MS = (600_000, 172_800_000)


def parse_shares(options: Iterable[str]) -> dict[str, float]:
    """Shares by kind from 'KIND=SHARE' options; 'none' switches all off first. ProducerError on nonsense."""
    shares = dict(DEFAULT_SHARES)
    for option in options:
        if option == "none":
            shares = {}
            continue
        kind, _, text = option.partition("=")
        if kind not in DEFAULT_SHARES:
            raise ProducerError(f"--bad {kind!r} is unknown; choose one of {', '.join(DEFAULT_SHARES)}, or none.")
        shares[kind] = _share(kind, text)
    if sum(shares.values()) > 1.0:
        raise ProducerError("The --bad shares add up to more than 1.")
    return shares


class Faults:
    """Spoils a share of the events. A damaged event that must be refused is an extra one beside the whole one."""

    def __init__(self, shares: dict[str, float], rng: Random, clock_behind_ms: int) -> None:
        """`clock_behind_ms`: how far event time lies behind arrival, so that the future is ahead of both."""
        self._limits = _cumulative(shares)
        self._total = sum(shares.values())
        self._rng = rng
        self._random = rng.random
        self._clock_behind_ms = clock_behind_ms

    def spoil(self, event: Event) -> Event | None:
        """None when the event stays alone; else what is to be sent besides, or later (a duplicate).

        `late` and `fraud_score_out_of_range` change the event itself, before anyone has seen it.
        """
        u = self._random()
        if u >= self._total or event.topic not in (PAYMENTS, CHECKOUTS):
            return None
        kind = next(kind for limit, kind in self._limits if u < limit)
        if kind == "late":
            _move(event, -self._rng.randint(*LATE_MS), kind)
            return None
        if kind == "fraud_score_out_of_range":
            self._break_score(event)
            return None
        if kind == "duplicate":
            return event.copy(kind, EXPECT[kind], event.due_ms + self._rng.randrange(DUPLICATE_WITHIN_MS))
        return self._broken_copy(event, kind)

    def _broken_copy(self, event: Event, kind: str) -> Event:
        copy = event.copy(kind, "dead_letter", event.due_ms)
        _rename(copy, f"bad-{self._rng.getrandbits(96):024x}")
        if kind == "missing_id":
            copy.record[topics()[copy.topic].event_id if self._random() < 0.5 else "transaction_id"] = ""
        elif kind == "non_positive_amount":
            copy.record["amount"] = 0.0 if self._random() < 0.5 else -copy.record["amount"]
        elif kind == "future":
            _move(copy, self._clock_behind_ms + self._rng.randint(*FUTURE_MS), kind)
        else:
            copy.damage = kind
        return copy

    def _break_score(self, event: Event) -> None:
        if event.topic == PAYMENTS:
            event.record["fraud_score"] = round(1.001 + 4 * self._random(), 4) if self._random() < 0.5 else -0.25
            event.kind = "fraud_score_out_of_range"


def _move(event: Event, by_ms: int, kind: str) -> None:
    event.kind = kind
    event.set_time(event.event_time_ms + by_ms)


def _rename(event: Event, event_id: str) -> None:
    event.event_id = event_id
    event.record[topics()[event.topic].event_id] = event_id


def _cumulative(shares: dict[str, float]) -> list[tuple[float, str]]:
    limits: list[tuple[float, str]] = []
    total = 0.0
    for kind, share in shares.items():
        total += share
        limits.append((total, kind))
    return limits


def _share(kind: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ProducerError(f"--bad {kind}={text}: the share must be a number from 0 to 1.")
    return share
