"""What each series is expected to be in a minute: its level of late, moved by the season, with its uncertainty."""

from dataclasses import dataclass

import numpy as np

from ml.anomalies.policy import BaselinePolicy
from ml.anomalies.profile import Profile, hour_of_week
from ml.anomalies.series import ALL, Floats, Frame, Mask

_ROBUST = 1.4826
"""Median absolute deviation to standard deviation, for normal values."""


@dataclass(frozen=True)
class Expected:
    """Per series: expected figures, their uncertainty, and how much more than by chance each minute varies."""

    approval: Floats
    approval_variance: Floats
    """Of the logit."""
    approval_dispersion: Floats
    log_latency: Floats
    log_latency_variance: Floats
    log_latency_spread: Floats
    """Variance of one attempt."""
    log_latency_dispersion: Floats
    per_minute: Floats
    per_minute_uncertainty: Floats
    """Relative."""
    per_minute_dispersion: Floats
    has_volume: Mask
    mix: Floats
    """(series, reason)"""
    mix_weight: Floats
    """Declines behind it."""
    mix_dispersion: Floats


@dataclass(frozen=True)
class Recent:
    """The calm minutes of late, by series, and the season they were in."""

    sums: dict[str, Floats]
    declines: Floats
    hours: list[int]
    """Hour of week of each minute."""


def expect(frame: Frame, calm: Mask, profile: Profile, minute: int, policy: BaselinePolicy) -> Expected:
    """What the minute should show, from the calm minutes before it (a mask over the frame) and the profile."""
    recent = _recent(frame, calm, minute, policy)
    season = hour_of_week(minute)
    attempts = recent.sums["attempts"].sum(axis=1)
    shares = _hour_shares(recent)
    elsewhere = 1.0 - shares[:, season]
    approval, approval_variance = _approval(recent, profile, shares, season, elsewhere, policy)
    latency, spread, latency_variance = _latency(recent, profile, shares, season, elsewhere, policy)
    volume, uncertainty, has_volume = _volume(frame, recent, profile, season, policy)
    mix, mix_weight = _mix(recent, profile, shares, season)
    return Expected(
        approval=approval,
        approval_variance=approval_variance,
        approval_dispersion=_rate_dispersion(recent),
        log_latency=latency,
        log_latency_variance=latency_variance,
        log_latency_spread=spread,
        log_latency_dispersion=_latency_dispersion(recent, spread),
        per_minute=volume,
        per_minute_uncertainty=uncertainty,
        per_minute_dispersion=_count_dispersion(recent),
        has_volume=has_volume & (attempts > 0),
        mix=mix,
        mix_weight=mix_weight,
        mix_dispersion=_mix_dispersion(recent),
    )


def arcsine(rate: Floats) -> Floats:
    """The angle of a rate: its variance is 1/(4n) whatever the rate."""
    angle: Floats = np.arcsin(np.sqrt(np.clip(rate, 0.0, 1.0)))
    return angle


def _recent(frame: Frame, calm: Mask, minute: int, policy: BaselinePolicy) -> Recent:
    usable = calm & frame.known
    usable[max(0, minute - policy.gap_minutes - frame.first + 1) :] = False
    columns = np.flatnonzero(usable)[-policy.recent_minutes :]
    sums = {name: values[:, columns] for name, values in frame.sums.items()}
    hours = [hour_of_week(frame.first + int(column)) for column in columns]
    return Recent(sums, frame.declines[:, :, columns], hours)


def _hour_shares(recent: Recent) -> Floats:
    """(series, hour of week): where the recent attempts lie; all zero for a series without any."""
    attempts = recent.sums["attempts"]
    shares = np.zeros((attempts.shape[0], 168))
    for column, hour in enumerate(recent.hours):
        shares[:, hour] += attempts[:, column]
    total = shares.sum(axis=1, keepdims=True)
    divided: Floats = np.divide(shares, total, out=shares, where=total > 0)
    return divided


def _approval(
    recent: Recent, profile: Profile, shares: Floats, season: int, elsewhere: Floats, policy: BaselinePolicy
) -> tuple[Floats, Floats]:
    """Two estimates, each weighted by its certainty: the recent level moved by the season, and the season alone."""
    attempts, approved = recent.sums["attempts"].sum(axis=1), recent.sums["approved"].sum(axis=1)
    seasonal = _logit(profile.approval)
    in_season = seasonal[:, season]
    scale = _bernoulli(profile.approval[:, season])
    of_profile = 1.0 / np.maximum(profile.weight[:, season] * scale, 1e-9)
    level = _logit((approved + 0.5) / (attempts + 1.0))
    moved = level + in_season * shares.sum(axis=1) - (seasonal * shares).sum(axis=1)
    of_level = 1.0 / np.maximum(attempts * _bernoulli(_rate(level)), 1e-9)
    moved_variance = of_level + elsewhere**2 * np.minimum(of_profile, 1.0) * (profile.weight[:, season] > 0)
    season_variance = of_profile + policy.drift_logit**2
    precision = 1.0 / moved_variance + 1.0 / season_variance
    combined = (moved / moved_variance + in_season / season_variance) / precision
    return _rate(combined), 1.0 / precision


def _latency(
    recent: Recent, profile: Profile, shares: Floats, season: int, elsewhere: Floats, policy: BaselinePolicy
) -> tuple[Floats, Floats, Floats]:
    """Expected mean logarithm, the variance of one attempt, and the variance of the expectation."""
    attempts = recent.sums["attempts"].sum(axis=1)
    size = np.maximum(attempts, 1.0)
    level = recent.sums["log_latency"].sum(axis=1) / size
    spread = np.maximum(recent.sums["log_latency_squares"].sum(axis=1) / size - level**2, 0.01)
    spread = np.where(attempts > 1, spread, 1.0)
    shift = profile.log_latency[:, season] - (profile.log_latency * shares).sum(axis=1)
    moved = level + np.where(profile.weight[:, season] > 0, shift, 0.0)
    variance = spread / size + (elsewhere * policy.drift_relative / 2) ** 2
    has_level = attempts > 0
    expected = np.where(has_level, moved, profile.log_latency[:, season])
    of_season = np.where(profile.weight[:, season] > 0, policy.drift_relative**2, np.inf)
    return expected, spread, np.where(has_level, variance, of_season)


def _volume(
    frame: Frame, recent: Recent, profile: Profile, season: int, policy: BaselinePolicy
) -> tuple[Floats, Floats, Mask]:
    """Attempts per minute, their relative uncertainty, and whether anything can be said."""
    attempts = recent.sums["attempts"]
    count = attempts.shape[1]
    if count == 0:
        nothing = np.zeros(attempts.shape[0])
        return nothing, nothing + 1.0, nothing > 0
    level = np.median(attempts, axis=1)
    overall = level[frame.row(ALL)]
    shape = profile.per_minute
    usable = _same_regime(shape[frame.row(ALL)], overall, policy.regime_factor)
    hours = np.array(recent.hours)
    is_seasonal = bool(usable[season]) and bool(usable[hours].all())
    ratio = np.ones(attempts.shape[0])
    drift = 0.0
    if is_seasonal:
        then = shape[:, hours].mean(axis=1)
        ratio = np.divide(shape[:, season], then, out=ratio, where=(then > 0) & (shape[:, season] > 0))
        drift = policy.drift_relative * float((hours != season).mean())
    mean = np.maximum(level * ratio, 1e-9)
    uncertainty = np.sqrt(1.0 / np.maximum(level * count, 1.0) + drift**2)
    return level * ratio, uncertainty, (mean > 0) & (count >= policy.least_minutes)


def _same_regime(shape: Floats, level: float, factor: float) -> Mask:
    """The hours of the week whose volume is comparable to the level of late."""
    comparable: Mask = (shape * factor >= level) & (shape <= level * factor) & (shape > 0)
    return comparable


def _mix(recent: Recent, profile: Profile, shares: Floats, season: int) -> tuple[Floats, Floats]:
    """The share of each reason among declines, and how many declines tell it."""
    counts = recent.declines.sum(axis=2)
    weight = counts.sum(axis=1)
    smooth = counts + 0.5
    then = np.einsum("srh,sh->sr", profile.mix, shares) + 0.01
    moved = smooth * (profile.mix[:, :, season] + 0.01) / then
    total = moved.sum(axis=1, keepdims=True)
    return np.divide(moved, total, out=moved, where=total > 0), weight


def _rate_dispersion(recent: Recent) -> Floats:
    attempts, approved = recent.sums["attempts"], recent.sums["approved"]
    size = np.maximum(attempts, 1.0)
    level = approved.sum(axis=1, keepdims=True) / np.maximum(attempts.sum(axis=1, keepdims=True), 1.0)
    return _inflation(2.0 * np.sqrt(attempts) * (arcsine(approved / size) - arcsine(level)))


def _latency_dispersion(recent: Recent, spread: Floats) -> Floats:
    attempts = recent.sums["attempts"]
    size = np.maximum(attempts, 1.0)
    level = recent.sums["log_latency"].sum(axis=1) / np.maximum(attempts.sum(axis=1), 1.0)
    means = recent.sums["log_latency"] / size
    return _inflation(np.sqrt(attempts / spread[:, None]) * (means - level[:, None]) * (attempts > 0))


def _count_dispersion(recent: Recent) -> Floats:
    attempts = recent.sums["attempts"]
    if attempts.shape[1] == 0:
        return np.ones(attempts.shape[0])
    return _inflation(2.0 * (np.sqrt(attempts) - np.sqrt(np.median(attempts, axis=1, keepdims=True))))


def _mix_dispersion(recent: Recent) -> Floats:
    """Pearson's statistic per degree of freedom, in the middle of five-minute stretches."""
    series, reasons, minutes = recent.declines.shape
    stretches = minutes // 5
    if stretches < 4 or reasons < 2:
        return np.ones(series)
    counts = recent.declines[:, :, : stretches * 5].reshape(series, reasons, stretches, 5).sum(axis=3)
    total = counts.sum(axis=(1, 2), keepdims=True)
    shares = np.divide(counts.sum(axis=2, keepdims=True), total, out=np.zeros((series, reasons, 1)), where=total > 0)
    expected = shares * counts.sum(axis=1, keepdims=True)
    statistic = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(counts), where=expected > 0).sum(axis=1)
    inflation: Floats = np.maximum(1.0, np.median(statistic, axis=1) / max(reasons - 1, 1))
    return inflation


def _inflation(residuals: Floats) -> Floats:
    """Variance of standardised residuals, robust, at least 1."""
    if residuals.shape[1] == 0:
        return np.ones(residuals.shape[0])
    return np.maximum(1.0, (_ROBUST * np.median(np.abs(residuals), axis=1)) ** 2)


def _logit(rate: Floats) -> Floats:
    clipped = np.clip(rate, 1e-4, 1 - 1e-4)
    logit: Floats = np.log(clipped / (1.0 - clipped))
    return logit


def _rate(logit: Floats) -> Floats:
    rate: Floats = 1.0 / (1.0 + np.exp(-logit))
    return rate


def _bernoulli(rate: Floats) -> Floats:
    variance: Floats = rate * (1.0 - rate)
    return variance
