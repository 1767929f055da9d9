"""The algorithms that compete, each with a bounded choice of settings, and how a fitted one becomes its served form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.form import Scorer
from ml.training import conversion

SEED = 17
Settings = Mapping[str, Any]
Estimator = Any
"""A classifier of scikit-learn, which ships no types."""


@dataclass(frozen=True)
class Candidate:
    """An algorithm: how it is made from its settings, and the settings that are tried."""

    name: str
    make: Callable[[Settings], Estimator]
    settings: tuple[Settings, ...]
    serve: Callable[[Estimator], Scorer]


def _logistic(settings: Settings) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, tol=1e-4, **settings))


def _forest(settings: Settings) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=60, max_features="sqrt", n_jobs=1, random_state=SEED, **settings)


def _boosting(settings: Settings) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(early_stopping=False, random_state=SEED, **settings)


LOGISTIC = Candidate(
    "logistic regression",
    _logistic,
    ({"C": 0.02}, {"C": 1.0}),
    lambda fitted: conversion.linear(fitted[0], fitted[-1]),
)
_TREE = {"min_samples_leaf": 5, "max_samples": 0.3}
_STEPS = {"learning_rate": 0.06, "max_iter": 120, "min_samples_leaf": 40, "l2_regularization": 5.0}
FOREST = Candidate(
    "random forest",
    _forest,
    ({"max_depth": 12, **_TREE}, {"max_depth": 16, **_TREE}),
    conversion.forest,
)
BOOSTING = Candidate(
    "gradient boosting",
    _boosting,
    ({"max_leaf_nodes": 15, **_STEPS}, {"max_leaf_nodes": 31, **_STEPS}),
    conversion.boosting,
)
CANDIDATES: Mapping[str, tuple[Candidate, ...]] = {
    "fraud_detection_model": (LOGISTIC, FOREST, BOOSTING),
    "approval_propensity_model": (BOOSTING, LOGISTIC),
    "risk_scoring_model": (BOOSTING, LOGISTIC),
    "smart_routing_policy": (LOGISTIC, BOOSTING),
    "smart_retry_policy": (BOOSTING, LOGISTIC),
}
"""Who competes for each model: its algorithm and at least one rival."""
