"""The season: what each series is like at each hour of the week, as far as its history tells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ml.anomalies.series import Count, Floats, Key

HOURS = 168
"""Hours of a week, counted from Monday 00:00 UTC."""
_EPOCH_HOUR = 72
"""1970 began on a Thursday."""
_SMOOTHING = 50.0
"""Attempts' worth of the series' own average that each hour of the day is mixed with."""


def hour_of_week(minute: int) -> int:
    """0 to 167, of a minute since 1970."""
    return (minute // 60 + _EPOCH_HOUR) % HOURS


@dataclass(frozen=True)
class Profile:
    """Smoothed figures by (series, hour of week); rows as the keys they were asked for."""

    approval: Floats
    log_latency: Floats
    per_minute: Floats
    """Attempts; 0 where the history says nothing."""
    mix: Floats
    """(series, reason, hour): share among declines."""
    weight: Floats
    """Attempts that stand behind an hour of the day."""
    hours_seen: Floats
    """Distinct hours of history behind each hour of the day."""


HourRow = tuple[int, Key, int, Count]
"""Hour since 1970, series, its calm minutes, and their sums."""


def build(history: Iterable[HourRow], keys: Sequence[Key], reasons: Sequence[str]) -> Profile:
    """The profile of these series from sums by hour.

    An hour of the week is trusted by the number of weeks that it was seen, the hour of the day being the rest.
    """
    at_key, at_reason = {key: at for at, key in enumerate(keys)}, {reason: at for at, reason in enumerate(reasons)}
    shape = (len(keys), HOURS)
    seen, minutes, attempts, approved, latency = (np.zeros(shape) for _ in range(5))
    declines = np.zeros((len(keys), len(reasons), HOURS))
    for hour, key, calm_minutes, count in history:
        row, column = at_key.get(key), (hour + _EPOCH_HOUR) % HOURS
        if row is None or calm_minutes == 0:
            continue
        seen[row, column] += 1
        minutes[row, column] += calm_minutes
        attempts[row, column] += count.attempts
        approved[row, column] += count.approved
        latency[row, column] += count.log_latency
        for reason, number in count.declines.items():
            if reason in at_reason:
                declines[row, at_reason[reason], column] += number
    declined = declines.sum(axis=1)
    trust = seen / (seen + 1.0)
    return Profile(
        approval=_smooth(approved, attempts, trust, default=0.9),
        log_latency=_smooth(latency, attempts, trust, default=0.0),
        per_minute=_blend(attempts, minutes, trust),
        mix=np.stack(
            [_smooth(declines[:, at], declined, trust, default=0.0) for at in range(len(reasons))], axis=1
        ) if reasons else declines,
        weight=_by_day(attempts),
        hours_seen=_by_day(seen),
    )  # fmt: skip


def _by_day(values: Floats) -> Floats:
    """Each hour of the week replaced by the sum over the seven days."""
    summed: Floats = np.tile(values.reshape(values.shape[0], 7, 24).sum(axis=1), 7)
    return summed


def _blend(total: Floats, size: Floats, trust: Floats) -> Floats:
    """total / size by hour of week and by hour of day, mixed by trust; 0 where there is nothing."""
    weekly = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    day_total, day_size = _by_day(total), _by_day(size)
    daily = np.divide(day_total, day_size, out=np.zeros_like(total), where=day_size > 0)
    blended: Floats = trust * weekly + (1.0 - trust) * daily
    return blended


def _smooth(total: Floats, size: Floats, trust: Floats, default: float) -> Floats:
    """Like _blend for a mean per attempt; sparse hours lean on the series' own average."""
    sizes = size.sum(axis=1, keepdims=True)
    average = np.divide(total.sum(axis=1, keepdims=True), sizes, out=np.full_like(sizes, default), where=sizes > 0)
    weekly = (total + _SMOOTHING * average) / (size + _SMOOTHING)
    daily = (_by_day(total) + _SMOOTHING * average) / (_by_day(size) + _SMOOTHING)
    smoothed: Floats = trust * weekly + (1.0 - trust) * daily
    return smoothed
