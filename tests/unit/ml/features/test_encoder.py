"""Columns and rows become the same numbers, whatever is missing, unknown or odd."""

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest

from ml.features.definition import MISSING, Definition
from ml.features.definitions import DEFINITIONS, FRAUD, RETRY, ROUTING
from ml.features.encoder import Encoder, clean
from ml.features.fields import Field

KNOWN = ("Visa", "Amex", "US", "DE", "Retail", "USD", "ProcessorA", "Germany")


def odd_value(field: Field, rng: Random) -> Any:
    """A value that the field may get from a file, a frame or a request: good, missing, or nonsense."""
    if rng.random() < 0.2:
        return rng.choice([None, math.nan, math.inf, -1.0, "", "never seen before", True])
    match field.kind:
        case "number":
            return rng.choice([rng.random(), rng.randrange(1, 500)])
        case "boolean":
            return rng.random() < 0.5
        case "category":
            return rng.choice(KNOWN)
        case "instant":
            at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(100_000))
            return rng.choice([at, at.isoformat(), at.replace(tzinfo=None)])


def odd_columns(definition: Definition, count: int, seed: int) -> dict[str, list[Any]]:
    rng = Random(seed)
    return {field.name: [odd_value(field, rng) for _ in range(count)] for field in definition.fields}


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Requests; what is None is left out of every other one."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [row if at % 2 else {k: v for k, v in row.items() if v is not None} for at, row in enumerate(rows)]


def learnt(definition: Definition, seed: int = 1) -> Encoder:
    positive = np.array([Random(at).random() < 0.3 for at in range(400)], dtype=np.float64)
    return Encoder.learn(definition, odd_columns(definition, 400, seed), positive)


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_columns_and_rows_give_the_same_bits(definition: Definition) -> None:
    encoder, columns = learnt(definition), odd_columns(definition, 300, seed=2)
    by_row = np.array([encoder.row(request) for request in rows_of(columns)])
    assert np.array_equal(encoder.matrix(columns), by_row)
    assert np.isfinite(by_row).all()
    assert by_row.shape[1] == len(encoder.features) == len(encoder.origins)


@pytest.mark.parametrize(("definition", "field"), [(ROUTING, "processor"), (RETRY, "minutes_since_decline")])
def test_variants_of_a_row_are_the_rows_of_the_variants(definition: Definition, field: str) -> None:
    encoder, values = learnt(definition), ["ProcessorA", "nowhere", None] if field == "processor" else [0.1, 60.0, None]
    for request in rows_of(odd_columns(definition, 20, seed=4)):
        rows = np.array([encoder.row({**request, field: value}) for value in values])
        assert np.array_equal(encoder.variants(definition.cleaned(request), field, values), rows)


def test_an_encoder_survives_being_stored() -> None:
    encoder, columns = learnt(ROUTING), odd_columns(ROUTING, 50, seed=3)
    again = Encoder.from_json(ROUTING, encoder.to_json())
    assert np.array_equal(again.matrix(columns), encoder.matrix(columns))


def test_a_missing_category_has_a_column_of_its_own_and_an_unknown_one_is_all_zeros() -> None:
    encoder = learnt(ROUTING)
    places = [at for at, origin in enumerate(encoder.origins) if origin == "merchant_segment"]
    missing = encoder.row({"amount": 10.0})
    assert [encoder.features[at] for at in places if missing[at]] == [f"merchant_segment={MISSING}"]
    assert not encoder.row({"amount": 10.0, "merchant_segment": "Zoo"})[places].any()


def test_no_label_and_nothing_built_on_it_is_a_feature() -> None:
    forbidden = {"is_fraud", "is_approved", "score", "risk_level", "rules_fired", "velocity_30m", "risk_tier", "label"}
    for definition in DEFINITIONS.values():
        assert not forbidden & {one.name for one in definition.fields}, definition.model


def test_columns_that_are_clean_are_not_cleaned_again() -> None:
    cleaned = clean(FRAUD, {"amount": [1.0, math.nan]})
    assert clean(FRAUD, cleaned) is cleaned
    assert cleaned["amount"] == [1.0, None]
    assert cleaned["country"] == [None, None]


def test_a_request_is_refused_with_the_reason() -> None:
    amount = FRAUD.field("amount")
    assert amount.refusal(None) == "amount is missing"
    assert amount.refusal("ten") == "amount must be a finite number, not 'ten'"
    assert amount.refusal(-1) == "amount must be at least 0, not -1"
    assert amount.refusal(3) is None
    assert FRAUD.field("country").refusal(None) is None


def test_the_rate_of_a_rare_name_does_not_tell_the_label_of_its_own_row() -> None:
    random = np.random.default_rng(6)
    positive = (random.random(4000) < 0.3).astype(np.float64)
    columns = {"card_bin": [str(one) for one in random.integers(0, 2000, 4000)], "decline_reason": ["other"] * 4000}
    encoder = Encoder.learn(RETRY, columns, positive)
    telling, fair = encoder.matrix(columns)[:, -1], encoder.training_matrix(columns, positive)[:, -1]
    assert np.corrcoef(telling, positive)[0, 1] > 0.5
    assert abs(np.corrcoef(fair, positive)[0, 1]) < 0.06


def test_rates_of_frequent_names_are_those_that_serving_uses() -> None:
    random = np.random.default_rng(6)
    names = random.choice(["400000", "500000"], 6000)
    positive = (random.random(6000) < np.where(names == "400000", 0.2, 0.6)).astype(np.float64)
    columns = {"card_bin": names.tolist(), "decline_reason": ["other"] * 6000}
    encoder = Encoder.learn(RETRY, columns, positive)
    served, trained = encoder.matrix(columns), encoder.training_matrix(columns, positive)
    assert np.array_equal(served[:, :-1], trained[:, :-1])
    assert np.abs(served[:, -1] - trained[:, -1]).max() < 0.03
