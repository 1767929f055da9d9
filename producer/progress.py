"""What a person sees while events flow: one line a second on a terminal, one every ten seconds in a log."""

import sys
import time
from collections import Counter
from typing import IO

from producer.sinks import Sink

LOG_EVERY_SECONDS = 10.0


class Progress:
    """Prints totals and the rate since the line before."""

    def __init__(self, out: IO[str] | None = None) -> None:
        """`out`: standard error unless given."""
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty()
        self._every = 1.0 if self._is_terminal else LOG_EVERY_SECONDS
        self._started_at = self._printed_at = time.monotonic()
        self._printed_total = 0

    def say(self, text: str) -> None:
        """Print a line of its own."""
        print(text, file=self._out, flush=True)

    def update(self, sent: Counter[tuple[str, str]], sink: Sink, lag_ms: float) -> None:
        """Print the progress when its time has come."""
        now = time.monotonic()
        if now - self._printed_at < self._every:
            return
        total = sent.total()
        rate = (total - self._printed_total) / (now - self._printed_at)
        line = (
            f"{now - self._started_at:6.0f} s  sent {total:,}  {rate:,.0f}/s  acknowledged {sink.acknowledged:,}  "
            f"failed {sink.failed:,}  behind {lag_ms / 1000:.1f} s  {sink.state()}"
        )
        self._printed_at, self._printed_total = now, total
        if self._is_terminal:
            print(f"\r{line:<110}", end="", file=self._out, flush=True)
        else:
            self.say(line.rstrip())

    def summary(self, sent: Counter[tuple[str, str]], sink: Sink) -> None:
        """Print what was sent by topic and kind, and what became of it."""
        if self._is_terminal:
            self.say("")
        for (topic, kind), number in sorted(sent.items()):
            self.say(f"  {topic:<24} {kind:<26} {number:>12,}")
        seconds = time.monotonic() - self._started_at
        self.say(
            f"{sent.total():,} events in {seconds:.1f} s: {sink.acknowledged:,} delivered, {sink.failed:,} failed."
        )
