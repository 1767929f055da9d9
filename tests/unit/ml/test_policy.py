"""The contract of the models is whole."""

from domain.contracts import decline_reasons
from ml import policy
from ml.features.definitions import DEFINITIONS


def test_every_model_has_a_definition_and_a_policy() -> None:
    assert set(policy.models()) == set(DEFINITIONS)


def test_fraud_has_the_gates_that_were_agreed() -> None:
    assert policy.models()["fraud_detection_model"].gates == {"precision": 0.8, "recall": 0.7, "f1": 0.75}


def test_reasons_of_suspicion_are_in_the_taxonomy() -> None:
    assert set(policy.risk().suspicion_reasons) <= set(decline_reasons())
