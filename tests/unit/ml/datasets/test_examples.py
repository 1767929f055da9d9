"""Time divides the rows: labels ripen, training ends before the test begins, folds look ahead only to be judged."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml.datasets.examples import Examples, divide, folds, ripe, timely
from ml.errors import MlError

START = datetime(2026, 3, 1, tzinfo=UTC)


def examples(days: int = 40, positive_every: int = 5, per_day: int = 50) -> Examples:
    count = days * per_day
    at = [START + timedelta(days=row / per_day) for row in range(count)]
    label = [int(row % positive_every == 0) for row in range(count)]
    return Examples(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "label": label}))


def test_the_newest_labels_count_as_unknown() -> None:
    kept = ripe(examples(), delay_days=7)
    assert examples().at.max() - kept.at.max() >= np.timedelta64(7, "D")
    assert kept.count == 33 * 50


def test_all_labels_of_training_were_known_when_the_test_began() -> None:
    divided = divide(examples(), delay_days=7)
    assert divided.test.at.min() - divided.training.at.max() >= np.timedelta64(7, "D")
    assert divided.test.count == 500
    assert divided.test.at.max() == examples().at.max()


def test_folds_learn_from_what_is_before_what_they_judge() -> None:
    rows = examples()
    pairs = list(folds(rows))
    assert len(pairs) == 3
    for past, held in pairs:
        assert rows.at[past].max() < rows.at[held].min()
    assert not (pairs[0][1] & pairs[1][1]).any()


def test_hours_are_counted_from_the_first() -> None:
    assert examples().hours[[0, 2, 3, 49]].tolist() == [0, 0, 1, 23]


def test_clocks_that_are_wrong_by_years_do_not_stretch_the_time_that_is_divided() -> None:
    rows = examples().rows
    wrong = pa.array([datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    with_wrong = Examples(pa.concat_tables([rows, pa.table({"at": wrong, "label": [1, 0]})]))
    with pytest.raises(MlError):
        divide(with_wrong, delay_days=7)
    assert timely(with_wrong).rows.equals(rows)
    assert timely(Examples(rows.slice(0, 1))).count == 1


def test_too_little_is_refused_with_numbers() -> None:
    with pytest.raises(MlError, match="There are 400 rows with ripe labels; 500 are needed"):
        divide(examples(days=8), delay_days=0)
    with pytest.raises(MlError, match="one class only"):
        divide(examples(positive_every=10**6).where(np.arange(2000) > 0), delay_days=0)
    with pytest.raises(MlError, match=r"0 rows with ripe labels.*ML_LABEL_DELAY_DAYS"):
        divide(ripe(examples(days=1), 7.0).where(np.zeros(0, dtype=bool)), delay_days=7)
    with pytest.raises(MlError, match="5 rows of class 1; 25 are needed"):
        divide(examples(positive_every=300), delay_days=0)


def test_a_class_that_is_not_there_at_all_is_named() -> None:
    with pytest.raises(MlError, match="training period holds 0 rows of class HIGH"):
        divide(examples(), delay_days=0, classes=("LOW", "MEDIUM", "HIGH"))
