"""What is watched and when it is an anomaly: contracts/anomalies.toml, typed."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class SeriesPolicy:
    """Which series there are, and when a minute of them is complete."""

    dimensions: tuple[tuple[str, ...], ...]
    max_values: int
    watermark_seconds: int
    silence_after_seconds: int
    silence_minutes: int
    revise_share: float
    final_after_minutes: int
    minutes_days: int
    hours_days: int


@dataclass(frozen=True)
class BaselinePolicy:
    """What a minute is compared with."""

    recent_minutes: int
    gap_minutes: int
    horizon_minutes: int
    least_minutes: int
    drift_logit: float
    drift_relative: float
    regime_factor: float


@dataclass(frozen=True)
class TrackingPolicy:
    """How signals become anomalies with a start, an end and one cause."""

    clear_minutes: int
    reopen_minutes: int
    lookback_minutes: int
    explains_share: float
    explains_lift: float
    catch_up_minutes: int


@dataclass(frozen=True)
class Window:
    """The newest minutes taken together, and what they must show."""

    minutes: int
    least_z: float
    least_effect: float


@dataclass(frozen=True)
class MetricPolicy:
    """When a metric is unusual."""

    name: str
    windows: tuple[Window, ...]
    critical: float
    least_attempts: int
    rise_factor: float = float("inf")

    @property
    def least_effect(self) -> float:
        """The smallest effect that any window takes for unusual."""
        return min(window.least_effect for window in self.windows)


@dataclass(frozen=True)
class Policy:
    """The whole of anomalies.toml; metrics in the order of their precedence."""

    series: SeriesPolicy
    baseline: BaselinePolicy
    tracking: TrackingPolicy
    metrics: tuple[MetricPolicy, ...]

    def metric(self, name: str) -> MetricPolicy:
        """The policy of one metric. Raises KeyError for an unknown one."""
        return {metric.name: metric for metric in self.metrics}[name]


@cache
def policy() -> Policy:
    """The policy in force, read once per process."""
    return parse((files("contracts") / "anomalies.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Policy:
    """A policy from TOML. Raises TypeError naming a key that is missing or unknown."""
    data = tomllib.loads(text)
    dimensions = tuple(tuple(columns) for columns in data["series"].pop("dimensions"))
    return Policy(
        series=SeriesPolicy(dimensions=dimensions, **data["series"]),
        baseline=BaselinePolicy(**data["baseline"]),
        tracking=TrackingPolicy(**data["tracking"]),
        metrics=tuple(_metric(name, values) for name, values in data["metrics"].items()),
    )


def _metric(name: str, values: dict[str, Any]) -> MetricPolicy:
    windows = tuple(Window(*numbers) for numbers in values.pop("windows"))
    return MetricPolicy(name=name, windows=windows, **values)
