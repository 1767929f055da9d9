"""A small world with a day and a week: requests of the risk model, and answers that are right as often as they say."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from ml.watching.figures import Floats
from ml.watching.hours import Hour, Outcomes, number_of
from ml.watching.reference import Performance, Reference

MODEL = "risk_scoring_model"
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass
class World:
    """`rows` an hour at noon, a third of it at night; `high`: log odds of the positive class, beyond the hour's own."""

    rows: int = 110
    seed: int = 5
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def hour(self, at: datetime, shift: float = 0.0, luck: float = 0.0) -> tuple[dict[str, list[Any]], Floats, Floats]:
        """Requests, answers and outcomes. `shift`: of the fraud scores; `luck`: of outcomes, in log odds."""
        swing = np.cos((at.hour - 13) / 24 * 2 * np.pi)
        count = int(self.rows * (0.65 + 0.35 * swing) * (0.8 if at.weekday() >= 5 else 1.0))
        scores = np.clip(self.random.beta(2.0 + swing, 6.0, count) + shift, 0.0, 1.0)
        countries = ["DE", "FR", "US", "BR"] if swing > 0 else ["US", "BR", "JP", "DE"]
        log_odds = 4.0 * scores - 2.5
        answers = 1 / (1 + np.exp(-log_odds))
        outcomes = self.random.random(count) < 1 / (1 + np.exp(-log_odds - luck))
        columns: dict[str, list[Any]] = {
            "amount": np.exp(self.random.normal(4.0 + 0.5 * swing, 1.0, count)).tolist(),
            "currency": ["EUR"] * count,
            "fraud_score": scores.tolist(),
            "device_trust_score": self.random.beta(5.0, 2.0, count).tolist(),
            "velocity_score": [None if one < 0.1 else float(one) for one in self.random.random(count)],
            "merchant_country": ["DE"] * count,
            "issuer_country": self.random.choice(countries, count).tolist(),
            "merchant_segment": self.random.choice(["Retail", "Travel", "Gaming"], count).tolist(),
        }
        return columns, np.asarray(answers), outcomes.astype(np.float64)

    def reference(self, days: int = 7) -> Reference:
        """Of so many days from a Monday on, and of as many before them."""
        columns, answers, outcomes, at = self._many(days)
        hours = np.array([number_of(one) for one in at])
        performance = Performance.of(answers, outcomes, hours)
        learnt = Reference.learn(MODEL, columns, at, answers, performance)
        before = self._many(days)
        return learnt.after(before[0], before[3])

    def hours(self, reference: Reference, days: float, shift: float = 0.0, luck: float = 0.0) -> list[Hour]:
        """Later hours, from a Monday on, as the watcher counts them."""
        found = []
        for number in range(round(days * 24)):
            at = MONDAY + timedelta(days=28, hours=number)
            columns, answers, outcomes = self.hour(at, shift, luck)
            sums = Outcomes(
                len(answers),
                float(answers.sum()),
                float((answers * (1 - answers)).sum()),
                float(outcomes.sum()),
                float(_losses(answers, outcomes).sum()),
            )
            found.append(Hour(number_of(at), len(answers), reference.profile(columns, answers.tolist()), sums))
        return found

    def _many(self, days: int) -> tuple[dict[str, list[Any]], Floats, Floats, list[datetime]]:
        parts = [
            (MONDAY + timedelta(hours=hour), self.hour(MONDAY + timedelta(hours=hour))) for hour in range(days * 24)
        ]
        names = parts[0][1][0]
        columns = {name: [value for _, (one, _, _) in parts for value in one[name]] for name in names}
        moments = [at for at, (_, answers, _) in parts for _ in answers]
        answers, outcomes = (np.concatenate([one[place] for _, one in parts]) for place in (1, 2))
        return columns, answers, outcomes, moments


def _losses(answers: Floats, outcomes: Floats) -> Floats:
    return np.asarray(-np.log(np.where(outcomes > 0, answers, 1 - answers)))
