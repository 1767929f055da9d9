"""What the simulator yields: one Kafka message to be, with what the ledger must know of it."""

from datetime import UTC, datetime
from typing import Any

from domain.contracts import topics

PAYMENTS = "payments.transactions"
CHECKOUTS = "ecommerce.transactions"
MESSAGES = "customer.messages"
TIME_FIELDS = {name: topic.event_time for name, topic in topics().items()}


class Event:
    """A record due on a topic at an instant (milliseconds since 1970); not a dataclass for speed."""

    __slots__ = ("damage", "due_ms", "event_id", "event_time_ms", "expect", "key", "kind", "record", "topic")

    def __init__(self, topic: str, key: str, event_id: str, event_time_ms: int, record: dict[str, Any]) -> None:
        self.topic = topic
        self.key = key
        self.event_id = event_id
        self.event_time_ms = event_time_ms
        self.due_ms = event_time_ms
        self.record = record
        self.kind = "good"
        self.expect = "accepted"  # or dead_letter, duplicate
        self.damage: str | None = None

    def copy(self, kind: str, expect: str, due_ms: int) -> "Event":
        """The same message once more, due at another instant."""
        twin = Event(self.topic, self.key, self.event_id, self.event_time_ms, dict(self.record))
        twin.kind, twin.expect, twin.due_ms = kind, expect, due_ms
        return twin

    def set_time(self, event_time_ms: int) -> None:
        """Change when the event claims to have happened."""
        self.event_time_ms = event_time_ms
        is_text = self.topic != PAYMENTS
        self.record[TIME_FIELDS[self.topic]] = iso_text(event_time_ms) if is_text else event_time_ms


class IsoClock:
    """Writes instants as ISO 8601 and formats each second only once, as neighbours share it."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, at_ms: int) -> str:
        """For example 2026-03-01T12:00:00.000Z."""
        second, milliseconds = divmod(at_ms, 1000)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{milliseconds:03d}Z"


def iso_text(at_ms: int) -> str:
    """An instant as ISO 8601 with milliseconds and Z."""
    return IsoClock().text(at_ms)
