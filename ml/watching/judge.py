"""When a difference is drift: large enough, beyond chance, and for long enough. Pure: hours in, findings out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ml.policy import WatchingPolicy
from ml.watching import wording
from ml.watching.figures import Floats, off_calibration, rarity, stability, worse_loss
from ml.watching.hours import Hour, Outcomes, trailing, weights
from ml.watching.reference import RARE, SCORE, Reference

Kind = Literal["data", "prediction", "performance"]
CALIBRATION, LOSS = "calibration", "log_loss"


@dataclass(frozen=True)
class Reading:
    """One look at one feature. `value`: its distance from the reference; `chance`: that of one so large by chance."""

    kind: Kind
    feature: str
    value: float
    chance: float
    rows: int
    reason: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is a reading of."""
        return self.kind, self.feature


@dataclass(frozen=True)
class Finding:
    """Drift of one feature with a beginning and an end, in hours since 1970; `id`: None until it is kept."""

    kind: str
    feature: str
    started: int
    value: float
    rows: int
    reason: str
    ended: int | None = None
    id: int | None = None

    def over(self, hour: int, why: str) -> "Finding":
        """The same, ended for another reason than that it is over."""
        return replace(self, ended=hour, reason=self.reason + why)

    @property
    def key(self) -> tuple[str, str]:
        """What drifts."""
        return self.kind, self.feature


def looks(reference: Reference, hours: Sequence[Hour], until: int, policy: WatchingPolicy) -> list[list[Reading]]:
    """What was to be seen at the last few hours up to one, oldest first; nothing of what they hold too little of.

    Outcomes come later than requests, by days for fraud: their newest hour is looked at beside the newest of all.
    """
    known = max((one.number for one in hours if one.outcomes.rows and one.number <= until), default=until)
    back = range(max(policy.enter_looks, policy.leave_looks) - 1, -1, -1)
    return [
        [
            *_requests_and_answers(reference, hours, until - number, policy),
            *_performance(reference, hours, known - number, policy),
        ]
        for number in back
    ]


def judge(
    looks: Sequence[Sequence[Reading]], until: int, known: Iterable[Finding], policy: WatchingPolicy
) -> list[Finding]:
    """Findings that began, changed or ended with the last of some looks, an hour apart.

    Drift begins when the last `enter_looks` all show it, and ends when the last `leave_looks` all show less than the
    lower threshold: what lies between the two changes nothing.
    """
    by_key = [{one.key: one for one in readings} for readings in looks]
    drifting = [_drifting(readings, policy) for readings in looks]
    changed = []
    still = {one.key: one for one in known}
    for key, reading in (by_key[-1] if by_key else {}).items():
        before = still.get(key)
        if before is None:
            if len(looks) >= policy.enter_looks and all(key in one for one in drifting[-policy.enter_looks :]):
                changed.append(_finding(reading, until - policy.enter_looks + 1))
        else:
            now = replace(before, value=reading.value, rows=reading.rows, reason=reading.reason)
            is_over = len(looks) >= policy.leave_looks and all(
                key in one and one[key].value < policy.leave[_threshold(key)] for one in by_key[-policy.leave_looks :]
            )
            changed.append(replace(now, ended=until - policy.leave_looks + 1) if is_over else now)
    return changed


def _requests_and_answers(
    reference: Reference, hours: Sequence[Hour], until: int, policy: WatchingPolicy
) -> list[Reading]:
    rows = [sum(one.counts.get(SCORE, ())) for one in hours]
    places = trailing(hours, until, rows, policy.window_hours, policy.longest_hours, policy.least_rows)
    chosen = [hours[place] for place in places]
    found = []
    for name in reference.scales if chosen else ():
        parts = [one.counts[name] for one in chosen if name in one.counts]
        if not parts:
            continue
        counts = np.sum(parts, axis=0)
        expected = reference.expected(name, weights(chosen, name))
        distance = stability(expected, counts.tolist(), reference.rows)
        total = int(counts.sum())
        value = max(0.0, distance.value - reference.usual.get(name, 0.0))
        reason = wording.moved(name, reference.scales[name].labels, expected, counts / total, total, distance.value)
        kind: Kind = "prediction" if name == SCORE else "data"
        found.append(Reading(kind, name, value, distance.chance, total, reason))
        if name == SCORE and reference.rare_places:
            found.append(_rare(reference, expected, counts.tolist()))
    return found


def _rare(reference: Reference, expected: Floats, counts: Sequence[int]) -> Reading:
    places, rows = reference.rare_places, sum(counts)
    share, count = float(expected[places.start : places.stop].sum()), sum(counts[place] for place in places)
    distance = rarity(share, count, rows, reference.rows)
    labels = reference.scales[SCORE].labels
    inner = labels[places[0]] if places[0] else labels[places[-1]]
    said = wording.rarer(inner, share, count / rows, rows)
    return Reading("prediction", RARE, distance.value, distance.chance, rows, said)


def _performance(reference: Reference, hours: Sequence[Hour], until: int, policy: WatchingPolicy) -> list[Reading]:
    rows = [one.outcomes.rows for one in hours]
    before = reference.performance
    needed = max(policy.least_rows, math.ceil(policy.least_of_a_class / max(before.rarity, 1e-6)))
    places = trailing(hours, until, rows, policy.window_hours, policy.longest_outcome_hours, needed)
    total = sum((hours[place].outcomes for place in places), Outcomes())
    if not total.rows:
        return []
    gap = off_calibration(
        total.predicted,
        total.observed,
        max(total.variance, total.rows * before.gap_spread**2),
        total.rows,
        (before.predicted, before.observed),
        reference.rows,
    )
    said = wording.uncalibrated(total.predicted / total.rows, total.observed / total.rows, total.rows)
    found = [Reading("performance", CALIBRATION, gap.value, gap.chance, total.rows, said)]
    if before.loss is not None and before.loss_spread is not None:
        worse = worse_loss(total.loss, total.rows, before.loss, before.loss_spread, reference.rows)
        said = wording.lossy(total.loss / total.rows, before.loss, total.rows)
        found.append(Reading("performance", LOSS, worse.value, worse.chance, total.rows, said))
    return found


def _drifting(readings: Sequence[Reading], policy: WatchingPolicy) -> Mapping[tuple[str, str], Reading]:
    """The readings beyond their thresholds and beyond chance, which is shared among all that were looked at."""
    chance = policy.chance / max(1, len(readings))
    return {one.key: one for one in readings if one.value >= policy.enter[_threshold(one.key)] and one.chance <= chance}


def _threshold(key: tuple[str, str]) -> str:
    """The name under which contracts/models.toml has the thresholds."""
    kind, feature = key
    return feature if kind == "performance" or feature == RARE else kind


def _finding(reading: Reading, started: int) -> Finding:
    return Finding(reading.kind, reading.feature, started, reading.value, reading.rows, reading.reason)
