"""What a model's requests, answers and errors were in its test period: what later ones are compared with.

Counts are kept by hour of the day, working days and weekends apart. So a night is compared with nights, and what the
hour alone explains is no drift.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from ml.errors import MlError
from ml.features.definition import Category, Definition, Number, Rate
from ml.features.definitions import DEFINITIONS
from ml.features.encoder import Columns, clean
from ml.watching.figures import Floats, stability
from ml.watching.scales import Counts, Names, Scale, Steps, scale_from_json

FILE = "reference.json"
FORMAT = 1
SCORE = "score"
RARE = "rarer_outcome"
"""The answers that expect the rarer of two outcomes: as many of the highest or lowest scores as there were of it."""
CELLS = 48
CHOSEN = {"smart_routing_policy": "processor", "smart_retry_policy": "minutes_since_decline"}
"""The field of a request that the policy itself decides: what follows from it is no property of the world."""

_OF_THE_CHOSEN = {"risk_scoring_model"}
"""Models whose score is the probability of the class that was chosen, and so says nothing of the rarer one."""
_LEAST_PROBABILITY = 1e-6
PRIOR_ROWS = 50.0
"""An hour of few rows is drawn towards the same hour of all days, and that towards all hours, as if by so many rows."""


@dataclass(frozen=True)
class Performance:
    """How right the test period's answers were. `predicted`, `observed`: mean P(positive) and share of positives.

    `loss`: mean log loss of a row; None where answers were not the model's own choice. `gap_spread`, `loss_spread`:
    how much a row adds to the uncertainty of the means, what happens within an hour hanging together: outages and
    campaigns of fraud come in one piece.
    """

    predicted: float
    observed: float
    gap_spread: float
    loss: float | None
    loss_spread: float | None

    @classmethod
    def of(cls, predicted: Floats, observed: Floats, hours: Counts, is_own_choice: bool = True) -> "Performance":
        """From P(positive), what came true (0 or 1), and the hour of each row."""
        certain = np.clip(predicted, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
        losses = -np.log(np.where(observed > 0.0, certain, 1.0 - certain))
        return cls(
            predicted=float(predicted.mean()),
            observed=float(observed.mean()),
            gap_spread=_spread(observed - predicted, hours),
            loss=float(losses.mean()) if is_own_choice else None,
            loss_spread=_spread(losses, hours) if is_own_choice else None,
        )

    @property
    def rarity(self) -> float:
        """The share of the rarer outcome."""
        return min(self.observed, 1.0 - self.observed)


@dataclass(frozen=True)
class Reference:
    """One model version's reference.

    `counts`: by feature, a row per cell of the week and a column per place. `usual`: how far a feature was in the test
    period from the training period. The figures held in spite of that, so it is no drift; histories that grow longer
    move so.
    """

    model: str
    rows: int
    scales: Mapping[str, Scale]
    counts: Mapping[str, Counts]
    performance: Performance
    usual: Mapping[str, float]

    @classmethod
    def learn(
        cls, model: str, columns: Columns, at: Sequence[datetime], scores: Floats, performance: Performance
    ) -> "Reference":
        """From requests, when they were, and the probabilities that were answered."""
        values = {**feature_values(DEFINITIONS[model], columns), SCORE: scores.tolist()}
        numbers = {SCORE, *(one.name for one in DEFINITIONS[model].numbers)}
        scales: dict[str, Scale] = {
            name: Steps.learn(found) if name in numbers else Names.learn(found) for name, found in values.items()
        }
        scales[SCORE] = Steps.learn(values[SCORE], (1.0 - performance.observed,))
        cells = np.array([cell(one) for one in at], dtype=np.int64)
        counts = {name: _by_cell(scales[name], found, cells) for name, found in values.items()}
        return cls(model, len(at), scales, counts, performance, {})

    def after(self, columns: Columns, at: Sequence[datetime]) -> "Reference":
        """The same, with what is usual worked out from requests of the training period before it."""
        values = feature_values(DEFINITIONS[self.model], columns)
        cells = np.array([cell(one) for one in at], dtype=np.int64)
        counts = {name: _by_cell(self.scales[name], found, cells) for name, found in values.items()}
        before = replace(self, rows=len(at), counts=counts)
        usual = {}
        for name in counts:
            now = self.counts[name]
            expected = before.expected(name, now.sum(axis=1).astype(np.float64))
            usual[name] = round(stability(expected, now.sum(axis=0).tolist(), before.rows).value, 4)
        return replace(self, usual=usual)

    @property
    def features(self) -> tuple[str, ...]:
        """What is watched of the requests."""
        return tuple(name for name in self.scales if name != SCORE)

    @cached_property
    def rare_places(self) -> range:
        """The places at one end of the score that hold about as many answers as there were of the rarer outcome; none
        where the score is not the probability of one of two."""
        known = self.counts[SCORE].sum(axis=0)[:-1]
        if self.model in _OF_THE_CHOSEN or len(known) < 2 or not self.performance.rarity:
            return range(0)
        is_high = self.performance.observed <= 0.5
        shares = np.cumsum(known[::-1] if is_high else known)[:-1] / known.sum()
        count = int(np.abs(np.log(np.maximum(shares, 1e-12) / self.performance.rarity)).argmin()) + 1
        return range(len(known) - count, len(known)) if is_high else range(count)

    def profile(self, columns: Columns, scores: Sequence[float | None]) -> dict[str, list[int]]:
        """How often each place occurs in requests and their answers."""
        values = {**feature_values(DEFINITIONS[self.model], columns), SCORE: list(scores)}
        return {
            name: np.bincount(scale.places(values[name]), minlength=len(scale.labels)).tolist()
            for name, scale in self.scales.items()
            if name in values
        }

    def expected(self, feature: str, weights: Floats) -> Floats:
        """The share of each place in a time that lay in the cells of the week with these weights."""
        return np.asarray(weights @ self._shares[feature] / weights.sum())

    @cached_property
    def _shares(self) -> Mapping[str, Floats]:
        """By feature, the share of each place in each cell; cells of few rows are drawn towards others."""
        found = {}
        for name, one in self.counts.items():
            counts = one.astype(np.float64)
            overall = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * counts.shape[1])
            by_hour = counts[:24] + counts[24:]
            hours = _drawn(by_hour, np.broadcast_to(overall, by_hour.shape))
            found[name] = _drawn(counts, np.vstack([hours, hours]))
        return found

    def to_json(self) -> str:
        """What `from_json` reads."""
        features = {
            name: {**scale.to_json(), "counts": self.counts[name].tolist()} for name, scale in self.scales.items()
        }
        stored = {"format": FORMAT, "model": self.model, "rows": self.rows, "features": features}
        more = {"performance": vars(self.performance), "usual": dict(self.usual)}
        return json.dumps({**stored, **more}, ensure_ascii=False)

    @classmethod
    def from_json(cls, stored: str) -> "Reference":
        """A reference again. Raises MlError when it is damaged or of another format."""
        try:
            found = json.loads(stored)
            if found["format"] != FORMAT:
                raise MlError(f"the reference has format {found['format']}, this program reads {FORMAT}: train again.")
            scales = {name: scale_from_json(one) for name, one in found["features"].items()}
            counts = {name: np.array(one["counts"], dtype=np.int64) for name, one in found["features"].items()}
            if any(counts[name].shape != (CELLS, len(scale.labels)) for name, scale in scales.items()):
                raise ValueError("counts and places do not fit together")
            performance = Performance(**found["performance"])
            usual = {name: float(value) for name, value in found["usual"].items()}
            return cls(str(found["model"]), int(found["rows"]), scales, counts, performance, usual)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MlError(f"the reference is damaged ({error!r}): train the model again.") from error


def _spread(values: Floats, hours: Counts) -> float:
    """As the standard deviation would be if rows were independent, from the sums of hours."""
    sums = np.bincount(hours - hours.min(), weights=values - values.mean())
    return float(np.sqrt((sums**2).sum() / len(values)))


def cell(at: datetime) -> int:
    """The cell of the week that an instant lies in, UTC."""
    return at.hour + (24 if at.weekday() >= 5 else 0)


def feature_values(definition: Definition, columns: Columns) -> dict[str, list[Any]]:
    """The features of requests before they are encoded.

    Without those that the policy's own choice decides, and those that follow from the time of day alone.
    """
    cleaned = clean(definition, columns)
    ignored = {CHOSEN.get(definition.model)}
    instants = {one.name for one in definition.fields if one.kind == "instant"}
    features: tuple[Number | Category | Rate, ...] = (*definition.numbers, *definition.categories, *definition.rates)
    return {
        one.name: list(_applied(one, cleaned))
        for one in features
        if ignored.isdisjoint(one.inputs) and not instants.issuperset(one.inputs)
    }


def _applied(feature: Number | Category | Rate, cleaned: Columns) -> Iterable[Any]:
    return map(feature.function, *[cleaned[name] for name in feature.inputs])


def _by_cell(scale: Scale, values: Sequence[Any], cells: Counts) -> Counts:
    width = len(scale.labels)
    found = np.bincount(cells * width + scale.places(values), minlength=CELLS * width)
    return np.asarray(found.reshape(CELLS, width), dtype=np.int64)


def _drawn(counts: Floats, towards: Floats) -> Floats:
    return np.asarray((counts + PRIOR_ROWS * towards) / (counts.sum(axis=1, keepdims=True) + PRIOR_ROWS))
