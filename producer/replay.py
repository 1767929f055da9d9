"""`replay`: a person's own rows as events of a topic, with a report of those that could not be mapped."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path
from typing import Any, Literal

from domain.contracts import topics
from producer.errors import ProducerError
from producer.events import Event
from producer.mapping import Flaw, RecordMapping
from producer.progress import Progress
from producer.rows import RowFile

Timing = Literal["original", "now"]
SHOWN_FLAWS = 20


class Rejects:
    """Counts rows that cannot be sent; shows the first flaws and writes all of them to a file."""

    def __init__(self, file: Path | None, progress: Progress, open_things: ExitStack) -> None:
        self.rows = 0
        self._flaws = 0
        self._progress = progress
        self._writer = None
        if file is not None:
            self._writer = csv.writer(open_things.enter_context(file.open("w", encoding="utf-8", newline="")))
            self._writer.writerow(["row", "column", "value", "reason"])

    def add(self, flaws: list[Flaw]) -> None:
        """Account for one row."""
        self.rows += 1
        for flaw in flaws:
            self._flaws += 1
            if self._flaws <= SHOWN_FLAWS:
                self._progress.say(f"row {flaw.row}, column {flaw.column}: {_shown(flaw.value)} {flaw.reason}")
            if self._writer is not None:
                self._writer.writerow([text.encode(errors="replace").decode() for text in map(str, astuple(flaw))])

    def summary(self) -> None:
        """Say how many rows were left out."""
        if self._flaws > SHOWN_FLAWS:
            self._progress.say(f"... and {self._flaws - SHOWN_FLAWS:,} more; --rejects FILE.csv lists all.")
        if self.rows:
            self._progress.say(f"{self.rows:,} rows could not be mapped and were not sent.")


def replayed_events(
    file: RowFile, mapping: RecordMapping, rejects: Rejects, now_ms: int, timing: Timing, speed: float | None
) -> Iterator[Event]:
    """The file's rows as events, due at the file's own pace times `speed`, or at once without one.

    With timing `now` the events happen when they are due; else when the file says.
    """
    first_ms: int | None = None
    for number, row in file.rows():
        record, flaws = mapping.record(number, row) if isinstance(row, dict) else ({}, [Flaw(number, "", "", row)])
        if flaws:
            rejects.add(flaws)
            continue
        event = _event(mapping, record)
        first_ms = event.event_time_ms if first_ms is None else first_ms
        event.due_ms = now_ms + int((event.event_time_ms - first_ms) / speed) if speed else now_ms
        if timing == "now":
            event.set_time(event.due_ms)
        yield event


def parse_speed(text: str | None) -> float | None:
    """A factor such as 10x or 0.5; ProducerError otherwise."""
    if text is None:
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise ProducerError(f"--speed {text!r} is not a factor; write for example 10x or 0.5x.")
    return speed


def _event(mapping: RecordMapping, record: dict[str, Any]) -> Event:
    topic = topics()[mapping.topic]
    return Event(topic.name, record[topic.key], record[topic.event_id], mapping.event_time_ms(record), record)


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:57]}...")
