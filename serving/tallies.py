"""Counts and times for what happens thousands of times a second: a list per series, a histogram when it is scraped."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Tallies(Collector):
    """A counter and a histogram with the same labels, for one thread: that of the event loop, which also scrapes."""

    def __init__(
        self, counter: tuple[str, str], histogram: tuple[str, str], labels: Sequence[str], buckets: Sequence[float]
    ) -> None:
        """`counter` and `histogram`: name and meaning. `buckets`: upper bounds in seconds."""
        self.counter = counter
        self.histogram = histogram
        self.labels = labels
        self.buckets = buckets
        self._series: dict[tuple[Any, ...], _Series] = {}

    def add(self, labels: tuple[Any, ...], seconds: float) -> None:
        """Count something that took so long."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series(len(self.buckets) + 1)
        series.counts[bisect_left(self.buckets, seconds)] += 1
        series.seconds += seconds

    def collect(self) -> Iterable[Metric]:
        counted = CounterMetricFamily(*self.counter, labels=self.labels)
        timed = HistogramMetricFamily(*self.histogram, labels=self.labels)
        bounds = [*map(str, self.buckets), "+Inf"]
        for labels, series in self._series.items():
            values = [str(label) for label in labels]
            counted.add_metric(values, sum(series.counts))
            upto = list(zip(bounds, accumulate(series.counts), strict=True))
            timed.add_metric(values, upto, series.seconds)
        yield counted
        yield timed


class _Series:
    """How many fell into each bucket, and how long all took together."""

    __slots__ = ("counts", "seconds")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.seconds = 0.0
