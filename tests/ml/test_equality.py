"""Served probabilities equal trained ones on 10,000 rows of each model, with missing and unknown values among them."""

from pathlib import Path

import numpy as np
import pytest

from ml.datasets import sets
from ml.datasets.examples import divide
from ml.datasets.source import LakeSource
from ml.features.definitions import DEFINITIONS
from ml.features.encoder import Encoder
from ml.form import ServedModel, greatest_difference, load
from ml.policy import promotion
from ml.training import run
from ml.training.candidates import BOOSTING, CANDIDATES, FOREST, LOGISTIC, Candidate
from ml.training.trained import Trained
from ml.training.tuning import Trial, fit, positives

PAIRS = [(model, candidate) for model, all_ in CANDIDATES.items() for candidate in all_]


def quickly(candidate: Candidate) -> dict[str, object]:
    """The first settings, with fewer trees."""
    fewer = {"max_iter": 20} if candidate is BOOSTING else {}
    return {**candidate.settings[0], **fewer}


def trained(model: str, candidate: Candidate, source: LakeSource) -> Trained:
    data = sets.read(model, source, 1.0)
    divided = divide(run._decided(data), 1.0)
    training = divided.training.newest(4000)
    encoder = Encoder.learn(
        DEFINITIONS[model], training.columns, positives(training.label, int(training.label.max()) + 1)
    )
    estimator = fit(candidate, quickly(candidate), encoder.matrix(training.columns), training.label)
    served = ServedModel(model, encoder, candidate.serve(estimator), ("a", "b"), 0.5)
    matrix = encoder.matrix(divided.test.columns)
    trial = Trial(candidate, quickly(candidate), 0.0, 0.5)
    return Trained(served, estimator, [trial], data, divided, matrix, estimator.predict_proba(matrix), {})


@pytest.mark.parametrize(("model", "candidate"), PAIRS, ids=[f"{model}: {one.name}" for model, one in PAIRS])
def test_the_served_form_equals_the_trained_model(
    model: str, candidate: Candidate, source: LakeSource, tmp_path: Path
) -> None:
    one = trained(model, candidate, source)
    columns = run.check_rows(one, promotion().equality_rows)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    assert len(rows) == 10_000
    one.served.save(tmp_path)
    matrix = one.served.encoder.matrix(columns)
    assert np.array_equal(matrix, np.array([one.served.encoder.row(row) for row in rows]))
    served = load(tmp_path).probabilities_of(rows)
    assert greatest_difference(served, one.estimator.predict_proba(matrix)) <= promotion().equality_tolerance


def test_rows_to_check_by_hold_missing_and_unknown_values(source: LakeSource) -> None:
    columns = run.check_rows(trained("smart_routing_policy", LOGISTIC, source), 1000)
    assert None in columns["amount"]
    assert "never seen before" in columns["merchant_segment"] + columns["card_network"] + columns["processor"]


def test_a_forest_is_compared_in_its_own_precision(source: LakeSource) -> None:
    assert trained("fraud_detection_model", FOREST, source).served.scorer.dtype == "float32"  # type: ignore[attr-defined]
