"""How far the newest minutes are from what was expected: a statistic and an effect, per series and metric."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.anomalies.baseline import Expected, arcsine
from ml.anomalies.policy import MetricPolicy, Window
from ml.anomalies.series import Floats, Frame, Mask

APPROVAL, LATENCY, VOLUME, MIX = "approval_rate", "latency", "volume", "decline_mix"


@dataclass(frozen=True)
class Observed:
    """Sums over some minutes, per series."""

    minutes: int
    attempts: Floats
    approved: Floats
    log_latency: Floats
    declines: Floats
    """(series, reason)"""


@dataclass(frozen=True)
class Readings:
    """One metric in one window, per series."""

    z: Floats
    """Standard deviations towards the bad side."""
    effect: Floats
    """In the unit of the metric's thresholds, positive towards the bad side."""
    observed: Floats
    expected: Floats
    size: Floats
    """Attempts that the reading rests on; expected ones for the volume, declines for the mix."""
    excess: Floats
    """Attempts (log units for latency) by which the series departs: these add up over series."""

    def signals(self, window: Window, metric: MetricPolicy) -> Mask:
        """Which series are unusual, by the window's thresholds."""
        enough = self.size >= metric.least_attempts
        unusual: Mask = enough & (self.z >= window.least_z) & (self.effect >= window.least_effect)
        return unusual


def observe(frame: Frame, minute: int, minutes: int) -> Observed:
    """The sums of the `minutes` that end with this one."""
    end = minute - frame.first + 1
    begin = max(0, end - minutes)
    sums = {name: values[:, begin:end].sum(axis=1) for name, values in frame.sums.items()}
    declines = frame.declines[:, :, begin:end].sum(axis=2)
    return Observed(end - begin, sums["attempts"], sums["approved"], sums["log_latency"], declines)


def read(metric: MetricPolicy, seen: Observed, expected: Expected) -> Readings:
    """Readings of one metric. Raises KeyError for a metric that does not exist."""
    reader = {APPROVAL: _approval, LATENCY: _latency, MIX: _mix}
    if metric.name == VOLUME:
        return _volume(seen, expected, metric.rise_factor)
    return reader[metric.name](seen, expected)


def without(seen: Observed, expected: Expected, whole: int, parts: Sequence[int]) -> tuple[Observed, Expected]:
    """A series less some that it contains, as the only row: what is left when they are explained.

    Its uncertainty and dispersion are taken to be those of the whole.
    """

    def less(values: Floats) -> Floats:
        rest: Floats = np.maximum(values[[whole]] - values[list(parts)].sum(axis=0, keepdims=True), 0.0)
        return rest

    rest = Observed(seen.minutes, less(seen.attempts), less(seen.approved), less(seen.log_latency), less(seen.declines))
    size = np.maximum(rest.attempts, 1.0)
    own = {name: getattr(expected, name)[[whole]] for name in Expected.__dataclass_fields__}
    declined = expected.mix * (seen.attempts * (1.0 - expected.approval))[:, None]
    mix = less(declined)
    mix = mix / np.maximum(mix.sum(axis=1, keepdims=True), 1e-9)
    adjusted = {
        "approval": np.clip(less(seen.attempts * expected.approval) / size, 0.0, 1.0),
        "log_latency": less(seen.attempts * expected.log_latency) / size,
        "per_minute": less(expected.per_minute),
        "mix": mix,
    }
    return rest, Expected(**{**own, **adjusted})


def _approval(seen: Observed, expected: Expected) -> Readings:
    size = np.maximum(seen.attempts, 1.0)
    rate = seen.approved / size
    usual = expected.approval
    by_chance = expected.approval_dispersion / (4.0 * size)
    by_estimate = expected.approval_variance * usual * (1.0 - usual) / 4.0
    z = (arcsine(usual) - arcsine(rate)) / np.sqrt(by_chance + by_estimate)
    drop = usual - rate
    return Readings(z, drop, rate, usual, seen.attempts, seen.attempts * drop)


def _latency(seen: Observed, expected: Expected) -> Readings:
    size = np.maximum(seen.attempts, 1.0)
    mean = seen.log_latency / size
    rise = np.where(seen.attempts > 0, mean - expected.log_latency, 0.0)
    by_chance = expected.log_latency_spread * expected.log_latency_dispersion / size
    z = rise / np.sqrt(by_chance + expected.log_latency_variance)
    usual = np.exp(expected.log_latency)
    return Readings(z, np.expm1(rise), np.exp(mean), usual, seen.attempts, seen.attempts * rise)


def _volume(seen: Observed, expected: Expected, rise_factor: float) -> Readings:
    """Both sides are bad: too few at once, too many from `rise_factor` times the expected."""
    usual = expected.per_minute * seen.minutes
    by_estimate = usual * expected.per_minute_uncertainty**2
    z = 2.0 * (np.sqrt(usual) - np.sqrt(seen.attempts)) / np.sqrt(expected.per_minute_dispersion + by_estimate)
    missing = 1.0 - seen.attempts / np.maximum(usual, 1e-9)
    is_rise = seen.attempts >= rise_factor * usual
    judged = expected.has_volume & (usual > 0)
    size = np.where(judged, usual, 0.0)
    effect = np.where(is_rise, -missing, missing)
    return Readings(
        np.where(is_rise, -z, z), effect, seen.attempts / seen.minutes, expected.per_minute, size, usual - seen.attempts
    )


def _mix(seen: Observed, expected: Expected) -> Readings:
    declined = seen.declines.sum(axis=1)
    size = np.maximum(declined, 1.0)
    usual = expected.mix * declined[:, None]
    # Rare reasons are judged together: the statistic needs some of each.
    is_rare = usual < 5.0
    counts, means = _pooled(seen.declines, is_rare), _pooled(usual, is_rare)
    statistic = np.divide((counts - means) ** 2, means, out=np.zeros_like(means), where=means >= 1.0).sum(axis=1)
    certainty = expected.mix_weight / (expected.mix_weight + declined + 1.0)
    freedom = np.maximum((means >= 1.0).sum(axis=1) - 1.0, 1.0)
    z = _normal(statistic * certainty / expected.mix_dispersion, freedom)
    moved = 0.5 * np.abs(seen.declines / size[:, None] - expected.mix).sum(axis=1)
    return Readings(z, moved, moved, np.zeros_like(moved), declined, moved * declined)


def _pooled(values: Floats, is_rare: Mask) -> Floats:
    """The values with the rare ones replaced by their sum, in a column of its own."""
    rare = np.where(is_rare, values, 0.0).sum(axis=1, keepdims=True)
    return np.concatenate([np.where(is_rare, 0.0, values), rare], axis=1)


def _normal(chi_square: Floats, freedom: Floats) -> Floats:
    """Wilson and Hilferty's normal score of a chi-square value."""
    part = 2.0 / (9.0 * freedom)
    score: Floats = (np.cbrt(chi_square / freedom) - (1.0 - part)) / np.sqrt(part)
    return score
