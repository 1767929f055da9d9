"""How many purchases happen when: the rate profiles."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Literal

Profile = Literal["constant", "daily", "burst"]
# Purchases by UTC hour relative to the mean hour; they average to 1.
DAILY_CURVE = (
    0.55, 0.45, 0.38, 0.35, 0.36, 0.42, 0.55, 0.75, 0.95, 1.10, 1.18, 1.25,
    1.32, 1.30, 1.25, 1.25, 1.30, 1.38, 1.48, 1.55, 1.48, 1.30, 1.15, 0.95,
)  # fmt: skip
# Each minute begins with a burst; the mean over the minute is 1.
BURST_SECONDS = 10
BURST_FACTOR = 3.5
BETWEEN_FACTOR = 0.5
STEP_MS = 10_000  # profiles change at multiples of this


@dataclass(frozen=True)
class Schedule:
    """When purchases are due: `rate` a second on average, shaped by a profile, for a while or for a count."""

    rate: float
    start_ms: int
    profile: Profile = "constant"
    duration_seconds: float | None = None
    purchases: int | None = None

    def instants(self) -> Iterator[int]:
        """The instants of the purchases in milliseconds since 1970, ascending."""
        every = self._evenly() if self.profile == "constant" else self._shaped()
        if self.duration_seconds is not None:
            end_ms = self.start_ms + self.duration_seconds * 1000
            every = _before(every, end_ms)
        return every if self.purchases is None else islice(every, self.purchases)

    def _evenly(self) -> Iterator[int]:
        return (self.start_ms + int(number * 1000 / self.rate) for number in count())

    def _shaped(self) -> Iterator[int]:
        at = float(self.start_ms)
        while True:
            yield int(at)
            at = self._after_one_purchase(at)

    def _after_one_purchase(self, at: float) -> float:
        """The instant by which one more purchase is due: the rate is integrated over its steps."""
        due = 1.0
        while True:
            per_ms = self.rate * factor_at(self.profile, int(at)) / 1000
            step_ends = (at // STEP_MS + 1) * STEP_MS
            if due <= per_ms * (step_ends - at):
                return at + due / per_ms
            due -= per_ms * (step_ends - at)
            at = step_ends


def factor_at(profile: Profile, at_ms: int) -> float:
    """The rate at an instant, relative to the mean rate."""
    if profile == "daily":
        return DAILY_CURVE[at_ms // 3_600_000 % 24]
    if profile == "burst":
        return BURST_FACTOR if at_ms // 1000 % 60 < BURST_SECONDS else BETWEEN_FACTOR
    return 1.0


def _before(instants: Iterator[int], end_ms: float) -> Iterator[int]:
    for instant in instants:
        if instant >= end_ms:
            return
        yield instant
