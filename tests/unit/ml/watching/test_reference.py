"""References count what was there, keep through JSON, and refuse what is damaged."""

import json

import numpy as np
import pytest

from ml.errors import MlError
from ml.features.definitions import DEFINITIONS
from ml.watching.reference import CELLS, SCORE, Reference, cell, feature_values
from ml.watching.scales import Names, Steps
from tests.unit.ml.watching.world import MONDAY, World


@pytest.fixture(scope="module")
def reference() -> Reference:
    return World().reference(7)


def test_a_reference_is_the_same_after_json(reference: Reference) -> None:
    again = Reference.from_json(reference.to_json())
    assert again.scales == reference.scales
    assert again.performance == reference.performance
    assert again.usual == reference.usual
    assert all((again.counts[name] == reference.counts[name]).all() for name in reference.counts)
    assert len(reference.to_json()) < 60_000


def test_every_row_is_counted_once_for_each_feature(reference: Reference) -> None:
    assert {int(one.sum()) for one in reference.counts.values()} == {reference.rows}
    assert all(one.shape[0] == CELLS for one in reference.counts.values())


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": 1}', '{"format": 9}', "null", '{"format": 1, "features": {"a": {}}}']
)
def test_what_is_damaged_is_refused(damage: str) -> None:
    with pytest.raises(MlError, match="reference"):
        Reference.from_json(damage)


def test_counts_that_do_not_fit_their_places_are_refused(reference: Reference) -> None:
    stored = json.loads(reference.to_json())
    stored["features"][SCORE]["counts"] = [[1, 2]]
    with pytest.raises(MlError, match="do not fit"):
        Reference.from_json(json.dumps(stored))


def test_nights_are_expected_to_be_like_nights(reference: Reference) -> None:
    night, noon = np.zeros(CELLS), np.zeros(CELLS)
    night[cell(MONDAY.replace(hour=1))], noon[cell(MONDAY.replace(hour=13))] = 1.0, 1.0
    places = {name: place for place, name in enumerate(reference.scales["issuer_country"].labels)}
    assert reference.expected("issuer_country", night)[places["JP"]] > 0.15
    assert reference.expected("issuer_country", noon)[places["JP"]] < 0.05
    assert reference.expected("issuer_country", night).sum() == pytest.approx(1.0)


def test_a_policys_own_choice_and_the_clock_are_not_watched() -> None:
    columns = {"amount": [1.0], "processor": ["ProcessorA"], "event_timestamp": [MONDAY], "card_network": ["Visa"]}
    routing = feature_values(DEFINITIONS["smart_routing_policy"], columns)
    assert "processor_by_network" not in routing
    assert "merchant_segment" in routing
    assert "event_hour" not in feature_values(DEFINITIONS["approval_propensity_model"], columns)
    assert "issuer_by_hour" in feature_values(DEFINITIONS["approval_propensity_model"], columns)
    assert "minutes_since_decline" not in feature_values(DEFINITIONS["smart_retry_policy"], columns)


@pytest.mark.parametrize(
    ("values", "asked", "places"),
    [
        ([0.0, 1.0, None], [0.0, 1.0, 0.4, None, float("nan")], [0, 1, 0, 2, 2]),
        ([None, None], [1.0, None], [0, 1]),
        ([3.0], [3.0, 99.0, None], [0, 0, 1]),
    ],
)
def test_numbers_have_their_places(values: list[float | None], asked: list[float | None], places: list[int]) -> None:
    scale = Steps.learn(values)
    assert scale.places(asked).tolist() == places
    assert max(places) < len(scale.labels)


def test_names_beyond_the_frequent_share_a_place() -> None:
    scale = Names.learn([f"n{number % 30}" for number in range(60)] + ["often"] * 5)
    assert scale.labels[-2:] == ("any other", "missing")
    assert scale.labels[scale.places(["often"])[0]] == "often"
    assert scale.labels[scale.places(["never seen"])[0]] == "any other"
    assert scale.labels[scale.places([None])[0]] == "missing"
