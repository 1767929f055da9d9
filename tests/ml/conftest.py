"""A small simulated world and a registry in a file; trained once for all tests of a session."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ml import policy
from ml.datasets.source import LakeSource
from ml.job import Outcome, train_and_register
from ml.registry.store import Registry
from ml.training.candidates import CANDIDATES, FOREST, LOGISTIC
from ml.world.month import Month, write_month

DELAY_DAYS = 1.0
FRAUD, APPROVAL, RISK = "fraud_detection_model", "approval_propensity_model", "risk_scoring_model"
ROUTING, RETRY = "smart_routing_policy", "smart_retry_policy"


def quiet(_: str) -> None:
    """Says nothing."""


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days, with the truth beside them."""
    folder = tmp_path_factory.mktemp("world") / "lake"
    write_month(Month(date(2026, 3, 13), days=12, purchases_per_day=1200, customers=1200), folder, quiet)
    return folder


@pytest.fixture(scope="session")
def source(lake: Path) -> LakeSource:
    return LakeSource(str(lake))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("mlflow")
    return Registry(f"sqlite:///{folder}/mlflow.db")


@pytest.fixture(scope="session")
def lenient() -> Iterator[None]:
    """A world this small teaches too little for the true gates; two candidates are enough to see the way they go."""
    gentle = replace(policy.models()[FRAUD], gates={"f1": 0.2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.job.models", lambda: {**policy.models(), FRAUD: gentle})
        patch.setattr("ml.training.run.CANDIDATES", {**CANDIDATES, FRAUD: (LOGISTIC, FOREST), APPROVAL: (LOGISTIC,)})
        yield


@pytest.fixture(scope="session")
def trained_fraud(
    source: LakeSource, registry: Registry, lenient: None, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    """Fraud, trained and registered as the challenger."""
    return train_and_register(FRAUD, source, DELAY_DAYS, registry, tmp_path_factory.mktemp("results"), quiet)
