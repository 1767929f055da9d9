"""Simulated payments as the series that the detector watches: the producer's world, without Kafka or Postgres."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ml.anomalies.policy import Policy
from ml.anomalies.profile import HourRow
from ml.anomalies.series import ALL, SEPARATOR, Count, Key
from producer.events import PAYMENTS
from producer.simulator import Scenario, Simulator

MINUTE_MS = 60_000

Row = tuple[int, Key, Count]


@dataclass(slots=True)
class _Sum:
    attempts: int = 0
    approved: int = 0
    log_latency: float = 0.0
    log_latency_squares: float = 0.0
    declines: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str | None, log_latency: float) -> None:
        self.attempts += 1
        self.log_latency += log_latency
        self.log_latency_squares += log_latency * log_latency
        if reason is None:
            self.approved += 1
        else:
            self.declines[reason] = self.declines.get(reason, 0) + 1

    def count(self) -> Count:
        return Count(self.attempts, self.approved, self.log_latency, self.log_latency_squares, self.declines)


def minutes(scenario: Scenario, policy: Policy) -> Iterator[Row]:
    """What a platform would have counted of this scenario, minute by minute; accepted events alone."""
    sums: dict[tuple[int, Key], _Sum] = {}
    names: dict[tuple[Any, ...], list[Key]] = {}
    columns = sorted({column for dimension in policy.series.dimensions for column in dimension})
    for event in Simulator(scenario):
        if event.topic != PAYMENTS or event.expect != "accepted":
            continue
        values = tuple(event.record[column] for column in columns)
        keys = names.get(values)
        if keys is None:
            keys = names[values] = list(_keys(dict(zip(columns, values, strict=True)), policy))
        minute = event.event_time_ms // MINUTE_MS
        reason = event.record["decline_reason"]
        latency = math.log(max(event.record["processing_latency_ms"], 1))
        for key in keys:
            sums.setdefault((minute, key), _Sum()).add(reason, latency)
    return ((minute, key, total.count()) for (minute, key), total in sums.items())


def hours(rows: list[Row]) -> list[HourRow]:
    """The same by hour, as the profile wants it; every minute counts as calm."""
    sums: dict[tuple[int, Key], tuple[set[int], _Sum]] = {}
    spans: dict[int, set[int]] = {}
    for minute, key, count in rows:
        spans.setdefault(minute // 60, set()).add(minute)
        total = sums.setdefault((minute // 60, key), (set(), _Sum()))[1]
        total.attempts += count.attempts
        total.approved += count.approved
        total.log_latency += count.log_latency
        total.log_latency_squares += count.log_latency_squares
        for reason, number in count.declines.items():
            total.declines[reason] = total.declines.get(reason, 0) + number
    return [(hour, key, len(spans[hour]), total.count()) for (hour, key), (_, total) in sums.items()]


def _keys(values: dict[str, str], policy: Policy) -> Iterator[Key]:
    yield ALL
    for dimension in policy.series.dimensions:
        yield Key(SEPARATOR.join(dimension), SEPARATOR.join(values[column] for column in dimension))
