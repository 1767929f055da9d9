"""Judges one minute after the other: opens anomalies, keeps them up to date, ends them. Pure: no clock, no I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml.anomalies import baseline
from ml.anomalies.baseline import Expected
from ml.anomalies.incident import CRITICAL, WARNING, Incident
from ml.anomalies.policy import MetricPolicy, Policy, Window
from ml.anomalies.profile import Profile
from ml.anomalies.readings import MIX, Observed, Readings, observe, read, without
from ml.anomalies.series import ALL, Frame, Key, Mask
from ml.anomalies.wording import sentence


@dataclass(frozen=True)
class Signal:
    """A series that is unusual in one metric and window."""

    key: Key
    metric: MetricPolicy
    window: Window


class Detector:
    """Finds what is unusual in the last minute of a frame. Holds nothing between two minutes."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @property
    def frame_minutes(self) -> int:
        """How many minutes of history a judgement can use."""
        return self._policy.baseline.horizon_minutes + self._policy.tracking.lookback_minutes

    def judge(self, frame: Frame, profile: Profile, minute: int, incidents: Sequence[Incident]) -> list[Incident]:
        """The anomalies that are new or changed with this minute; those given are changed in place.

        Args:
            frame: the series, this minute included.
            profile: the season of the frame's series.
            minute: which minute, since 1970.
            incidents: those that are open or ended within the frame.
        """
        known = _calm(frame, incidents)
        expected = baseline.expect(frame, known, profile, minute, self._policy.baseline)
        judgement = _Judgement(self._policy, frame, expected, minute, incidents)
        changed = [incident for incident in incidents if incident.is_open and judgement.renew(incident)]
        for metric in self._policy.metrics:
            for signal in judgement.causes(metric):
                changed.append(judgement.open(signal))
        return changed


def _calm(frame: Frame, incidents: Sequence[Incident]) -> Mask:
    """Minutes of the frame in which nothing was unusual."""
    minutes = np.arange(frame.first, frame.first + frame.minutes)
    calm = np.ones(frame.minutes, dtype=np.bool_)
    for one in incidents:
        if not one.is_new_level:
            calm &= (minutes < one.started) | (minutes > (np.inf if one.ended is None else one.ended))
    return calm


class _Judgement:
    """Everything about one minute."""

    def __init__(
        self, policy: Policy, frame: Frame, expected: Expected, minute: int, incidents: Sequence[Incident]
    ) -> None:
        self._policy, self._frame, self._expected, self._minute = policy, frame, expected, minute
        reopen = policy.tracking.reopen_minutes
        self._near = [one for one in incidents if one.key in frame.keys and one.is_near(minute, reopen)]

    def causes(self, metric: MetricPolicy) -> Iterator[Signal]:
        """What is unusual in this metric and explained by no anomaly that is known: one signal per cause."""
        for window in metric.windows:
            readings = self._read(metric, window.minutes)
            signals = readings.signals(window, metric)
            pending = [self._frame.keys[int(row)] for row in np.flatnonzero(signals)]
            while pending:
                if self._is_explained(pending, metric, window):
                    return
                cause = self._narrowest(self._root(pending, readings), readings, signals)
                pending = [key for key in pending if cause.is_apart_from(key)]
                if not self._is_known(cause, metric):
                    yield Signal(cause, metric, window)

    def open(self, signal: Signal) -> Incident:
        """A new anomaly; or a known one that goes on after all, or of which only a part was seen at first."""
        incident = self._continued(signal) or self._completed(signal)
        if incident is None:
            started = self._start(signal)
            incident = Incident(signal.metric.name, signal.key, started, self._minute, WARNING, 0.0, 0.0, 0, "")
            self._near.append(incident)
        self._describe(incident, signal.window.minutes)
        return incident

    def renew(self, incident: Incident) -> bool:
        """Bring an open anomaly up to date, or end it. Returns whether it changed."""
        metric = self._policy.metric(incident.metric)
        if incident.key not in self._frame.keys:
            return False
        if self._minute - incident.started >= self._policy.baseline.horizon_minutes:
            incident.ended, incident.is_new_level = self._minute, True
            incident.evidence["ended_as"] = "the new level"
            return True
        row = self._frame.row(incident.key)
        clear = self._policy.tracking.clear_minutes
        readings = self._read(metric, clear)
        if readings.effect[row] >= metric.least_effect / 2 and readings.z[row] >= 2.0:
            self._narrow(incident, metric)
            self._describe(incident, max(window.minutes for window in metric.windows))
            return True
        if self._minute - incident.detected >= clear:
            incident.ended = self._last_bad(incident, metric, row) + 1
        return not incident.is_open

    def _continued(self, signal: Signal) -> Incident | None:
        """The ended anomaly that goes on after all."""
        for one in self._near:
            if not one.is_open and (one.metric, one.key) == (signal.metric.name, signal.key):
                one.ended = None
                return one
        return None

    def _completed(self, signal: Signal) -> Incident | None:
        """The anomaly of which only a part was seen so far. It begins where what it shows now began."""
        for one in self._near:
            if self._was_part_of(one, signal):
                one.metric, one.key, one.started = signal.metric.name, signal.key, self._start(signal)
                if one.detected < one.started:
                    one.detected = self._minute
                return one
        return None

    def _was_part_of(self, one: Incident, signal: Signal) -> bool:
        """Whether a young anomaly turns out to be a part, or a sign, of what the signal shows."""
        if not one.is_open or not self._is_young(one):
            return False
        is_sign = one.metric == MIX and signal.metric.name != MIX and not one.key.is_apart_from(signal.key)
        return is_sign or (one.metric == signal.metric.name and signal.key.contains(one.key))

    def _narrow(self, incident: Incident, metric: MetricPolicy) -> None:
        """Name a narrower place for a young anomaly, now that there are more attempts to tell it by."""
        for window in metric.windows if self._is_young(incident) else ():
            readings = self._read(metric, min(window.minutes, self._minute - incident.started + 1))
            place = self._narrowest(incident.key, readings, readings.signals(window, metric))
            if place != incident.key and not self._is_known(place, metric):
                incident.key = place
                return

    def _is_young(self, incident: Incident) -> bool:
        return self._minute - incident.started <= self._policy.tracking.lookback_minutes

    def _root(self, pending: Sequence[Key], readings: Readings) -> Key:
        return ALL if ALL in pending else max(pending, key=lambda key: abs(readings.excess[self._frame.row(key)]))

    def _narrowest(self, root: Key, readings: Readings, signals: Mask) -> Key:
        """The series within the root that holds most of its excess in the smallest share of its attempts."""
        tracking = self._policy.tracking
        at = self._frame.row(root)
        best, best_lift = root, tracking.explains_lift
        for row, key in enumerate(self._frame.keys):
            if key == root or not signals[row] or not root.contains(key):
                continue
            holds = readings.excess[row] / readings.excess[at] if readings.excess[at] else 0.0
            lift = holds * readings.size[at] / max(readings.size[row], 1.0)
            if holds >= tracking.explains_share and lift >= best_lift:
                best, best_lift = key, lift
        return best

    def _is_known(self, key: Key, metric: MetricPolicy) -> bool:
        return any(one.is_open and one.key == key for one in self._near if _can_explain(one, metric))

    def _is_explained(self, pending: Sequence[Key], metric: MetricPolicy, window: Window) -> bool:
        """Whether all other payments are as usual, and what is unusual shares traffic with a known anomaly."""
        known = {one.key for one in self._near if _can_explain(one, metric)}
        if not known or any(all(one.is_apart_from(key) for one in known) for key in pending):
            return False
        if ALL in known or metric.name == MIX:
            return True
        rows = [self._frame.row(key) for key in _apart(known)]
        seen = self._seen(window.minutes)
        rest = read(metric, *without(seen, self._expected, self._frame.row(ALL), rows))
        return not bool(rest.signals(window, metric)[0])

    def _read(self, metric: MetricPolicy, minutes: int, minute: int | None = None) -> Readings:
        return read(metric, self._seen(minutes, minute), self._expected)

    def _seen(self, minutes: int, minute: int | None = None) -> Observed:
        """The newest minutes, of this hour alone: what is expected is the hour's."""
        last = self._minute if minute is None else minute
        return observe(self._frame, last, min(minutes, last % 60 + 1))

    def _start(self, signal: Signal) -> int:
        """The first of the unbroken bad minutes that led here."""
        row, started = self._frame.row(signal.key), self._minute
        for minute in range(self._minute, self._minute - self._policy.tracking.lookback_minutes, -1):
            if minute < self._frame.first or not self._is_bad(signal.metric, row, minute):
                break
            started = minute
        return started

    def _last_bad(self, incident: Incident, metric: MetricPolicy, row: int) -> int:
        earliest = max(incident.started, self._minute - self._policy.tracking.lookback_minutes, self._frame.first)
        bad = (minute for minute in range(self._minute, earliest, -1) if self._is_bad(metric, row, minute))
        return next(bad, earliest)

    def _is_bad(self, metric: MetricPolicy, row: int, minute: int) -> bool:
        readings = self._read(metric, 1, minute)
        return bool(readings.effect[row] >= metric.least_effect / 2 and readings.z[row] >= 2.0)

    def _describe(self, incident: Incident, minutes: int) -> None:
        """Write the newest figures and their reason into an anomaly."""
        metric = self._policy.metric(incident.metric)
        minutes = max(1, min(minutes, self._minute - incident.started + 1, self._minute % 60 + 1))
        row, readings = self._frame.row(incident.key), self._read(metric, minutes)
        seen = self._seen(minutes)
        incident.observed, incident.expected = float(readings.observed[row]), float(readings.expected[row])
        incident.attempts = int(seen.attempts[row])
        if readings.effect[row] >= metric.critical:
            incident.severity = CRITICAL
        rest = self._rest(incident.key, metric, minutes)
        extra = self._extra_declines(row, minutes)
        size = int(seen.declines[row].sum()) if metric.name == MIX else incident.attempts
        incident.reason = sentence(
            metric.name, incident.key, minutes, incident.observed, incident.expected, size, extra, rest
        )
        incident.evidence |= {
            "window_minutes": minutes,
            "standard_deviations": round(float(readings.z[row]), 1),
            "effect": round(float(readings.effect[row]), 4),
            "extra_declines": {reason: round(number) for reason, number in extra.items() if abs(number) >= 0.5},
            "all_others": None if rest is None else {"observed": round(rest[0], 4), "expected": round(rest[1], 4)},
        }

    def _rest(self, key: Key, metric: MetricPolicy, minutes: int) -> tuple[float, float] | None:
        if key == ALL:
            return None
        seen = self._seen(minutes)
        rest = read(metric, *without(seen, self._expected, self._frame.row(ALL), [self._frame.row(key)]))
        return (float(rest.observed[0]), float(rest.expected[0])) if rest.size[0] > 0 else None

    def _extra_declines(self, row: int, minutes: int) -> dict[str, float]:
        seen = self._seen(minutes)
        usual = seen.attempts[row] * (1.0 - self._expected.approval[row]) * self._expected.mix[row]
        return dict(zip(self._frame.reasons, (seen.declines[row] - usual).tolist(), strict=True))


def _can_explain(one: Incident, metric: MetricPolicy) -> bool:
    """Other reasons for declines are a sign of what is wrong, never the cause of a fall, a delay or a silence."""
    return one.metric != MIX or metric.name == MIX


def _apart(keys: set[Key]) -> list[Key]:
    """Series of which no two share traffic, so that they can be subtracted together; the widest first."""
    chosen: list[Key] = []
    for key in sorted(keys, key=lambda one: (len(one.parts), one)):
        if all(other.is_apart_from(key) for other in chosen):
            chosen.append(key)
    return chosen
