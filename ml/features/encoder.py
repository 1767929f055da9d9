"""Requests as rows of numbers: learnt from the columns of training, used on columns and on single rows alike."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.features.definition import MISSING, Category, Definition, Feature, Number, Rate, evaluation

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]
Values = Mapping[str, Any]
"""A request whose values are clean: every field of the definition is there, None where it is missing."""
Row = Any
"""A memoryview of 64-bit floats, which stores single numbers faster than numpy and has no type that says so."""
Put = Callable[[Row, Values], None]
"""Writes one feature of a clean request into a row of zeros."""
PARTS = 5
"""Training rows are dealt into so many parts, in turn, when rates are taken from the other parts."""
PRIOR_ROWS = 100.0
"""A rate is drawn towards the overall one as if so many rows of that had been seen beside its own."""


@dataclass(frozen=True)
class Encoder:
    """The names that training saw, and the rates it found."""

    definition: Definition
    names: Mapping[str, tuple[str, ...]]
    rates: Mapping[str, Mapping[str, float]]
    overall: float

    @classmethod
    def learn(cls, definition: Definition, columns: Columns, positive: npt.NDArray[Any]) -> "Encoder":
        """From training alone. `positive`: which rows count for rates, 0..1."""
        cleaned = clean(definition, columns)
        overall = float(positive.mean())
        names = {one.name: tuple(sorted({*_texts(one, cleaned), MISSING})) for one in definition.categories}
        rates = {one.name: _rates(_texts(one, cleaned), positive, overall) for one in definition.rates}
        return cls(definition, names, rates, overall)

    @property
    def features(self) -> tuple[str, ...]:
        """Name of each column of the encoded rows."""
        found = []
        for number in self.definition.numbers:
            found += [number.name, f"{number.name}={MISSING}"] if number.may_be_missing else [number.name]
        for category in self.definition.categories:
            found += [f"{category.name}={name}" for name in self.names[category.name]]
        return (*found, *(one.name for one in self.definition.rates))

    @property
    def origins(self) -> tuple[str, ...]:
        """Name of the feature that each column belongs to."""
        return tuple(name.partition("=")[0] for name in self.features)

    def row(self, request: Mapping[str, Any]) -> Floats:
        """One request."""
        return self.encoded(self.definition.cleaned(request))

    def encoded(self, cleaned: Values) -> Floats:
        """One request whose values are clean."""
        row = np.zeros(self._width)
        view = row.data
        for put in self._all_puts:
            put(view, cleaned)
        return row

    def variants(self, cleaned: Values, field: str, values: Sequence[Any]) -> Floats:
        """One request with each of these values in a field, a row each; what does not depend on it is encoded once."""
        puts = self._puts.items()
        dependent = [put for feature, put in puts if field in feature.inputs]
        shared = np.zeros(self._width)
        view = shared.data
        for feature, put in puts:
            if field not in feature.inputs:
                put(view, cleaned)
        matrix = np.repeat(shared[np.newaxis], len(values), axis=0)
        for row, value in zip(matrix, values, strict=True):
            view, varied = row.data, {**cleaned, field: value}
            for put in dependent:
                put(view, varied)
        return matrix

    @cached_property
    def _width(self) -> int:
        return len(self.features)

    @cached_property
    def _all_puts(self) -> tuple[Put, ...]:
        return tuple(self._puts.values())

    @cached_property
    def _puts(self) -> dict[Feature, Put]:
        """How each feature gets into a row: worked out once, for a row must take microseconds."""
        puts: dict[Feature, Put] = {}
        at = 0
        for number in self.definition.numbers:
            puts[number] = _number_put(number, at)
            at += 2 if number.may_be_missing else 1
        for category in self.definition.categories:
            names = self.names[category.name]
            puts[category] = _category_put(category, {name: at + place for place, name in enumerate(names)})
            at += len(names)
        for rate in self.definition.rates:
            puts[rate] = _rate_put(rate, at, self.rates[rate.name], self.overall)
            at += 1
        return puts

    def matrix(self, columns: Columns) -> Floats:
        """Many requests, column by column."""
        cleaned = clean(self.definition, columns)
        count = len(next(iter(cleaned.values())))
        matrix = np.zeros((count, len(self.features)))
        at = 0
        for number in self.definition.numbers:
            at += _put_number(matrix, at, number, cleaned)
        for category in self.definition.categories:
            at += _put_category(matrix, at, self.names[category.name], _texts(category, cleaned))
        for rate in self.definition.rates:
            known = self.rates[rate.name]
            matrix[:, at] = [known.get(text, self.overall) for text in _texts(rate, cleaned)]
            at += 1
        return matrix

    def training_matrix(self, columns: Columns, positive: npt.NDArray[Any]) -> Floats:
        """The rows that it was learnt from. A rate is there that of the other parts of the rows: with its own row in it
        the rate of a rare name would tell a model the label."""
        cleaned = clean(self.definition, columns)
        matrix = self.matrix(cleaned)
        first = len(self.features) - len(self.definition.rates)
        for at, rate in enumerate(self.definition.rates, first):
            matrix[:, at] = _rates_of_others(_texts(rate, cleaned), positive)
        return matrix

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs beside the definition."""
        return {
            "names": {name: list(values) for name, values in self.names.items()},
            "rates": {name: dict(values) for name, values in self.rates.items()},
            "overall": self.overall,
        }

    @classmethod
    def from_json(cls, definition: Definition, stored: Mapping[str, Any]) -> "Encoder":
        """The encoder again. Raises KeyError when it was learnt by another definition."""
        names = {one.name: tuple(stored["names"][one.name]) for one in definition.categories}
        rates = {one.name: dict(stored["rates"][one.name]) for one in definition.rates}
        return cls(definition, names, rates, float(stored["overall"]))


class Cleaned(dict[str, list[Any]]):
    """Columns that were cleaned already."""


def clean(definition: Definition, columns: Columns) -> Cleaned:
    """The fields of a definition as features see them; a column that is not there is missing everywhere."""
    if isinstance(columns, Cleaned):
        return columns
    count = len(next(iter(columns.values())))
    return Cleaned(
        {
            one.name: list(map(one.clean, columns[one.name])) if one.name in columns else [None] * count
            for one in definition.fields
        }
    )


def _number_put(number: Number, at: int) -> Put:
    evaluate, missing_at = evaluation(number), at + 1 if number.may_be_missing else None

    def put(row: Row, cleaned: Values) -> None:
        value = evaluate(cleaned)
        if value is not None:
            row[at] = value
        elif missing_at is not None:
            row[missing_at] = 1.0

    return put


def _category_put(category: Category, places: Mapping[str, int]) -> Put:
    evaluate = evaluation(category)

    def put(row: Row, cleaned: Values) -> None:
        place = places.get(evaluate(cleaned) or MISSING)
        if place is not None:
            row[place] = 1.0

    return put


def _rate_put(rate: Rate, at: int, known: Mapping[str, float], overall: float) -> Put:
    evaluate = evaluation(rate)

    def put(row: Row, cleaned: Values) -> None:
        row[at] = known.get(evaluate(cleaned) or MISSING, overall)

    return put


def _applied(function: Callable[..., Any], inputs: Iterable[str], cleaned: Columns) -> Iterable[Any]:
    return map(function, *[cleaned[name] for name in inputs])


def _texts(feature: Category | Rate, cleaned: Columns) -> list[str]:
    return [found or MISSING for found in _applied(feature.function, feature.inputs, cleaned)]


def _put_number(matrix: Floats, at: int, number: Number, cleaned: Columns) -> int:
    values = list(_applied(number.function, number.inputs, cleaned))
    matrix[:, at] = [0.0 if value is None else value for value in values]
    if not number.may_be_missing:
        return 1
    matrix[:, at + 1] = [value is None for value in values]
    return 2


def _put_category(matrix: Floats, at: int, names: Sequence[str], texts: Sequence[str]) -> int:
    places = {name: place for place, name in enumerate(names)}
    found = np.array([places.get(text, -1) for text in texts])
    known = np.flatnonzero(found >= 0)
    matrix[known, at + found[known]] = 1.0
    return len(names)


def _rates(texts: Sequence[str], positive: npt.NDArray[Any], overall: float) -> dict[str, float]:
    rows = Counter(texts)
    positives: Counter[str] = Counter()
    for text, share in zip(texts, positive.tolist(), strict=True):
        positives[text] += share
    return {text: (positives[text] + PRIOR_ROWS * overall) / (count + PRIOR_ROWS) for text, count in rows.items()}


def _rates_of_others(texts: Sequence[str], positive: npt.NDArray[Any]) -> Floats:
    """For each row the rate of its name among the rows of the other parts, drawn towards the rate of all of those."""
    numbers: dict[str, int] = {}
    names = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    part = np.arange(len(names)) % PARTS
    cells, places = len(numbers) * PARTS, names * PARTS + part
    rows = np.bincount(places, minlength=cells).reshape(-1, PARTS)
    positives = np.bincount(places, positive, cells).reshape(-1, PARTS)
    others, others_positives = (one.sum(axis=1, keepdims=True) - one for one in (rows, positives))
    overall = others_positives.sum(axis=0) / np.maximum(1, others.sum(axis=0))
    found = (others_positives + PRIOR_ROWS * overall) / (others + PRIOR_ROWS)
    return np.asarray(found[names, part])
