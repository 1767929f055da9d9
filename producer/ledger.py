"""The producer's own account of every event, against which anything downstream can be counted.

A line is written before its event is handed to Kafka, so what was sent is never missing here, whatever is killed.
"""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from producer.events import Event

COLUMNS = (
    "topic",
    "kind",
    "expect",
    "event_id",
    "event_time_ms",
    "transaction_id",
    "is_approved",
    "amount",
    "currency",
    "decline_reason",
    "merchant_segment",
    "attempt_number",
    "user_id",
    "is_fraud",
    "payment_method",
    "device_id",
    "merchant",
    "location",
)
UNDELIVERED = "undelivered"
_LONGEST_NAME = 1_000


class Ledger(Protocol):
    """Where events are accounted for."""

    def record(self, events: Iterable[Event]) -> None:
        """Account for events that are about to be sent."""

    def record_undelivered(self, event: Event) -> None:
        """Account for an event that Kafka did not take in the end."""


class NoLedger:
    """Keeps no account."""

    def record(self, events: Iterable[Event]) -> None:
        """Do nothing."""

    def record_undelivered(self, event: Event) -> None:
        """Do nothing."""


class CsvLedger:
    """A CSV file, appended to; each call is one write to the operating system, so a killed process loses no line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        if self._file.tell() == 0:
            self._file.write((",".join(COLUMNS) + "\n").encode())

    def __enter__(self) -> "CsvLedger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def record(self, events: Iterable[Event]) -> None:
        """One line per event."""
        lines = "".join([_line(event, event.kind) for event in events])
        if lines:
            self._file.write(lines.encode())

    def record_undelivered(self, event: Event) -> None:
        """A second line for the event, of kind `undelivered`."""
        self._file.write(_line(event, UNDELIVERED).encode())


def _line(event: Event, kind: str) -> str:
    """Ids, codes and numbers need no quotes; what people name may."""
    cell = event.record.get
    return (
        f"{event.topic},{kind},{event.expect},{event.event_id},{event.event_time_ms},{_text(cell('transaction_id'))},"
        f"{_text(cell('is_approved'))},{_text(cell('amount'))},{_text(cell('currency'))},"
        f"{_text(cell('decline_reason'))},{_text(cell('merchant_segment'))},{_text(cell('attempt_number'))},"
        f"{_text(cell('user_id'))},{_text(cell('is_fraud'))},{_text(cell('payment_method'))},"
        f"{_quoted(cell('device_id'))},{_quoted(cell('merchant'))},{_quoted(cell('location'))}\n"
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if value is True:
        return "true"
    return "false" if value is False else str(value)


def _quoted(value: Any) -> str:
    """What people name, in quotes; nonsense of any length is cut off."""
    if value is None:
        return ""
    return '"' + str(value)[:_LONGEST_NAME].replace('"', '""') + '"'
