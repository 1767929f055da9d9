"""A model learnt in a simulated world: a quiet week raises nothing, incidents of the simulator are seen and end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pytest

from ml.datasets import sets
from ml.datasets.examples import Examples
from ml.datasets.source import LakeSource
from ml.policy import watching
from ml.training import reference
from ml.training.candidates import FOREST, LOGISTIC, Candidate
from ml.training.run import train
from ml.training.trained import Trained
from ml.watching.hours import Hour, Outcomes
from ml.watching.judge import Finding, judge, looks
from ml.watching.reference import RARE, Reference
from ml.world.month import Month, write_month
from producer.incidents import parse_incident
from tests.ml.conftest import APPROVAL, FRAUD, quiet

TRAINING_DAYS, QUIET_DAYS = 10, 7
INCIDENTS = {"processor_drop": 17, "issuer_outage": 19, "fraud_burst": 21}
"""By the day on which each begins; it lasts for a day, for so few purchases fill a window in ten hours."""
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Followed:
    """What a watcher found, in hours after the first that it looked at."""

    findings: Sequence[Finding]
    first: int

    def began(self, first_day: float, last_day: float) -> dict[tuple[str, str], Finding]:
        """Findings that began within these days of the world."""
        return {
            one.key: one
            for one in self.findings
            if first_day <= TRAINING_DAYS + (one.started - self.first) / 24 < last_day
        }


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> LakeSource:
    """Ten days to learn from, a quiet week, and incidents."""
    lake = tmp_path_factory.mktemp("weeks") / "lake"
    incidents = tuple(parse_incident(f"{name}:at={24 * day}h,for=24h") for name, day in INCIDENTS.items())
    month = Month(date(2026, 3, 25), days=23, purchases_per_day=1200, customers=1200, seed=41, incidents=incidents)
    write_month(month, lake, quiet)
    return LakeSource(str(lake))


@pytest.fixture(scope="module")
def followed(weeks: LakeSource) -> Followed:
    return _followed(weeks, APPROVAL, LOGISTIC)


@pytest.fixture(scope="module")
def followed_fraud(weeks: LakeSource) -> Followed:
    return _followed(weeks, FRAUD, FOREST)


def _followed(weeks: LakeSource, model: str, candidate: Candidate) -> Followed:
    data = sets.read(model, weeks, 0.0)
    turn = data.examples.at.min() + TRAINING_DAYS * DAY
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.training.run.CANDIDATES", {model: (candidate,)})
        trained = train(replace(data, examples=data.examples.where(data.examples.at < turn)), 0.0, quiet)
    taken = Reference.from_json(reference.take(trained).to_json())
    hours = _hours(trained, taken, data.examples.where(data.examples.at >= turn))
    return Followed(_follow(taken, hours), hours[0].number)


def test_a_quiet_week_raises_nothing(followed: Followed) -> None:
    assert followed.began(0, TRAINING_DAYS + QUIET_DAYS) == {}


@pytest.mark.parametrize("name", ["processor_drop", "issuer_outage"])
def test_an_incident_is_seen_and_ends(followed: Followed, name: str) -> None:
    found = followed.began(INCIDENTS[name], INCIDENTS[name] + 1.5)
    assert ("performance", "calibration") in found
    assert ("data", "previous_decline_reason") in found
    assert all(one.ended is not None for one in found.values())


def test_a_quiet_week_raises_no_fraud(followed_fraud: Followed) -> None:
    assert followed_fraud.began(0, TRAINING_DAYS + QUIET_DAYS) == {}


def test_a_burst_of_fraud_is_seen_by_the_answers_and_ends(followed_fraud: Followed) -> None:
    found = followed_fraud.began(INCIDENTS["fraud_burst"], INCIDENTS["fraud_burst"] + 1.0)
    assert ("prediction", RARE) in found
    assert found["prediction", RARE].ended is not None


def _hours(trained: Trained, taken: Reference, later: Examples) -> list[Hour]:
    """Each hour as the watcher counts it."""
    numbers = later.at.astype("datetime64[h]").astype(np.int64)
    return [_hour(trained, taken, int(number), later.where(numbers == number)) for number in np.unique(numbers)]


def _hour(trained: Trained, taken: Reference, number: int, rows: Examples) -> Hour:
    answers = trained.served.probabilities(rows.columns)[:, -1]
    outcomes = rows.label == 1
    certain = np.clip(answers, 1e-6, 1 - 1e-6)
    losses = -np.log(np.where(outcomes, certain, 1 - certain))
    sums = Outcomes(
        rows.count,
        float(answers.sum()),
        float((answers * (1 - answers)).sum()),
        float(outcomes.sum()),
        float(losses.sum()),
    )
    return Hour(number, rows.count, taken.profile(rows.columns, answers.tolist()), sums)


def _follow(taken: Reference, hours: list[Hour]) -> list[Finding]:
    policy = watching()
    found: list[Finding] = []
    for until in range(hours[0].number, hours[-1].number + 1):
        seen = [one for one in hours if until - policy.longest_outcome_hours < one.number <= until]
        known = [one for one in found if one.ended is None]
        changed = judge(looks(taken, seen, until, policy), until, known, policy)
        keys = {one.key for one in changed}
        found = [one for one in found if one.ended is not None or one.key not in keys] + changed
    return found
