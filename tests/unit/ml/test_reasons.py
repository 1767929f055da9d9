"""Reasons are the features that added most, by name, with what was asked, in words."""

import numpy as np
import pytest

from ml import kernels
from ml.features.definitions import DEFINITIONS
from ml.features.words import OUTCOMES, WORDS
from ml.reasons import MOST, Explainer
from tests import served_forms


@pytest.mark.parametrize("model", DEFINITIONS)
def test_the_reasons_are_the_largest_sums_over_a_features_columns(model: str) -> None:
    served, columns, _ = served_forms.served(model)
    explainer = Explainer(served)
    for at in range(20):
        cleaned = served.encoder.definition.cleaned({name: values[at] for name, values in columns.items()})
        row = served.encoder.encoded(cleaned)
        probabilities, added = served.scorer.explained(row)
        output = int(probabilities.argmax()) if len(added) > 1 else 0
        sums: dict[str, float] = {}
        for name, value in zip(served.encoder.origins, added[output].tolist(), strict=True):
            sums[name] = sums.get(name, 0.0) + value
        wanted = [(name, value) for name, value in sorted(sums.items(), key=lambda one: -abs(one[1])) if value][:MOST]
        answered, reasons = explainer.explained(cleaned, row)
        assert answered == probabilities.tolist()
        assert [abs(one.contribution) for one in reasons] == pytest.approx(
            [abs(value) for _, value in wanted], abs=1e-4
        )
        assert all(one.contribution == pytest.approx(sums[one.feature], abs=1e-4) for one in reasons)
        assert all(("raises" in one.text) == (one.contribution > 0) for one in reasons)


def test_every_feature_and_class_has_words() -> None:
    for definition in DEFINITIONS.values():
        features = (*definition.numbers, *definition.categories, *definition.rates)
        assert {one.name for one in features} <= WORDS.keys()
        assert len({one.name for one in features}) == len(features)
    assert OUTCOMES.keys() == {"fraud", "approved", "LOW", "MEDIUM", "HIGH"}


def test_what_added_nothing_is_no_reason() -> None:
    sums, places = np.zeros(3), np.empty(3, dtype=np.int64)
    kernels.strongest(np.array([0.0, 0.0, 0.5, -0.7]), np.array([0, 0, 1, 2]), sums, places)
    assert places.tolist() == [2, 1, -1]
