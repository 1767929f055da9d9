"""Candidates are compared on days that can tell them apart, and on no others."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml.datasets.examples import Examples
from ml.errors import MlError
from ml.features import derived
from ml.features.definition import Definition, Number
from ml.features.fields import Field
from ml.training.candidates import LOGISTIC
from ml.training.run import pause_days
from ml.training.tuning import Trial, compare

START = datetime(2026, 3, 1, tzinfo=UTC)
ONE = Definition("any", (Field("x", "number", "What there is to know"),), (Number("x", ("x",), derived.same),))


def examples(days: list[int], positive: list[int], per_day: int = 60) -> Examples:
    """So many rows on each of these days; on the positive days every sixth one is a positive, of larger x."""
    random = np.random.default_rng(3)
    rows = [(day, row) for day in days for row in range(per_day)]
    label = [int(day in positive and row % 6 == 0) for day, row in rows]
    at = [START + timedelta(days=day, seconds=row) for day, row in rows]
    x = random.normal(size=len(rows)) + 2.5 * np.array(label)
    return Examples(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "label": label, "x": x}))


def best(training: Examples) -> Trial:
    return compare(ONE, [LOGISTIC], training, classes=2, by_f1=True, say=lambda _: None)[0]


def test_days_without_a_positive_say_nothing_of_the_threshold() -> None:
    found = best(examples(list(range(20)), list(range(15))))
    assert found.score < 1.0
    assert 0.2 < found.threshold < 0.8


def test_days_without_any_row_are_passed_over() -> None:
    with_a_gap = [*range(8), *range(15, 20)]
    assert 0.2 < best(examples(with_a_gap, with_a_gap)).threshold < 0.8


def test_positives_that_all_came_at_once_cannot_be_learnt_from() -> None:
    with pytest.raises(MlError, match="No part of the training period"):
        best(examples(list(range(20)), [0, 1]))


def test_training_ends_before_what_came_of_it_would_lie_in_the_test_period() -> None:
    assert pause_days("fraud_detection_model", 7.0) == 7.0
    assert pause_days("approval_propensity_model", 7.0) == 0.0
    assert pause_days("smart_retry_policy", 7.0) == 2.0
