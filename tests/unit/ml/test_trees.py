"""Served trees answer as scikit-learn does, say what each column added, and refuse arrays that would lead astray."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ml.errors import MlError
from ml.form import Linear
from ml.training import conversion
from ml.trees import Trees

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(600, 5))
TWO = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0.3).astype(int)
THREE = TWO + (ROWS[:, 3] > 0.5)


def with_gaps(rows: Any) -> Any:
    return np.where(RNG.random(rows.shape) < 0.1, np.nan, rows)


def boosted(labels: Any) -> Any:
    with threadpool_limits(1):
        return HistGradientBoostingClassifier(max_iter=8, early_stopping=False).fit(with_gaps(ROWS), labels)


def grown(labels: Any) -> Any:
    return RandomForestClassifier(7, max_depth=6, random_state=1).fit(with_gaps(ROWS), labels)


FITTED = {
    "boosting, two classes": (boosted(TWO), conversion.boosting),
    "boosting, three classes": (boosted(THREE), conversion.boosting),
    "forest, two classes": (grown(TWO), conversion.forest),
    "forest, three classes": (grown(THREE), conversion.forest),
}


@pytest.mark.parametrize(("fitted", "convert"), FITTED.values(), ids=FITTED.keys())
def test_probabilities_equal_those_of_scikit_learn(fitted: Any, convert: Any, tmp_path: Path) -> None:
    convert(fitted).save(tmp_path)
    trees = Trees.load(tmp_path, convert(fitted).dtype)
    rows = with_gaps(RNG.normal(size=(400, 5)))
    expected = fitted.predict_proba(rows)
    assert np.abs(trees.probabilities(rows) - expected).max() < 1e-12
    assert np.abs(np.array([trees.explained(row)[0] for row in rows]) - expected).max() < 1e-12


@pytest.mark.parametrize(("fitted", "convert"), FITTED.values(), ids=FITTED.keys())
def test_what_columns_add_leads_from_the_roots_to_the_answer(fitted: Any, convert: Any) -> None:
    trees = convert(fitted)
    scale = len(trees.roots) / len(trees.baseline) if trees.link == "mean" else 1.0
    starts = [trees.value[trees.roots[trees.outputs == place]].sum() / scale for place in range(len(trees.baseline))]
    for row in ROWS[:30]:
        probabilities, added = trees.explained(row)
        reached = trees.baseline + starts + added.sum(axis=1)
        answers = probabilities if trees.link == "mean" else np.log(probabilities)
        if len(starts) == 1:
            answers = answers[1:] if trees.link == "mean" else answers[1:] - answers[0]
        assert reached - reached[0] == pytest.approx(answers - answers[0])
        assert len(starts) > 1 or reached == pytest.approx(answers)


def test_a_column_that_decides_adds_most() -> None:
    rows = RNG.random((400, 3))
    with threadpool_limits(1):
        trees = conversion.boosting(HistGradientBoostingClassifier(max_iter=10).fit(rows, rows[:, 1] > 0.5))
    added = trees.explained(np.array([0.5, 0.9, 0.5]))[1][0]
    assert added.argmax() == 1
    assert trees.explained(np.array([0.5, 0.1, 0.5]))[1][0][1] < 0


def test_a_logistic_regression_counts_from_the_mean_row() -> None:
    scaler = StandardScaler().fit(ROWS)
    regression = LogisticRegression().fit(scaler.transform(ROWS), TWO)
    served: Linear = conversion.linear(scaler, regression)
    expected = regression.predict_proba(scaler.transform(ROWS))
    assert np.abs(served.probabilities(ROWS) - expected).max() < 1e-12
    probabilities, added = served.explained(ROWS[3])
    assert probabilities == pytest.approx(expected[3])
    assert not served.explained(ROWS.mean(axis=0))[1].round(12).any()
    assert added.shape == (1, 5)


@pytest.mark.parametrize(
    "damage",
    [
        {"left": np.zeros(3, dtype=np.int32)},
        {"right": np.array([9, 0, 0], dtype=np.int32)},
        {"roots": np.array([3], dtype=np.int32)},
        {"outputs": np.array([1], dtype=np.int32)},
        {"value": np.array([0.0, np.nan, 1.0])},
        {"threshold": np.zeros(2)},
        {"feature": np.array([-2, -1, -1], dtype=np.int32)},
    ],
    ids=["a circle", "out of bounds", "no such root", "no such margin", "no number", "too short", "no such column"],
)
def test_arrays_that_lead_astray_are_refused(damage: dict[str, Any]) -> None:
    sound = Trees(
        feature=np.array([0, -1, -1], dtype=np.int32),
        threshold=np.zeros(3),
        left=np.array([1, 0, 0], dtype=np.int32),
        right=np.array([2, 0, 0], dtype=np.int32),
        missing_left=np.zeros(3, dtype=bool),
        value=np.array([0.0, -1.0, 1.0]),
        roots=np.zeros(1, dtype=np.int32),
        outputs=np.zeros(1, dtype=np.int32),
        baseline=np.zeros(1),
        link="logistic",
        dtype="float64",
    )
    assert sound.probabilities(np.array([[-1.0], [1.0]]))[:, 1] == pytest.approx([0.2689, 0.7311], abs=1e-4)
    with pytest.raises(ValueError, match="do not fit together"):
        replace(sound, **damage)


def test_a_row_that_is_too_short_is_refused() -> None:
    with pytest.raises(MlError, match="asks for"):
        conversion.boosting(boosted(TWO)).probabilities(ROWS[:, :2])
