"""What is asked of the models: contracts/models.toml, typed and read once per process."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Split:
    """How the ripe time is divided, and how little is too little."""

    test_share: float
    folds: int
    comparison_rows: int
    least_rows: int
    least_of_a_class: int


@dataclass(frozen=True)
class Promotion:
    """What a challenger must show."""

    equality_rows: int
    equality_tolerance: float
    resamples: int
    confidence: float
    least_hours: int


@dataclass(frozen=True)
class Costs:
    """What decisions cost; the words are explained in contracts/models.toml."""

    margin_share: float
    fraud_loss_share: float
    chargeback_usd: float
    false_alarm_usd: float


@dataclass(frozen=True)
class RetryPolicy:
    """Among which waits the retry policy chooses, and how."""

    waits_minutes: tuple[float, ...]
    least_tried: int
    indifference: float


@dataclass(frozen=True)
class RiskPolicy:
    """What makes a purchase's risk HIGH, MEDIUM or LOW in hindsight."""

    suspicion_reasons: tuple[str, ...]
    aml_from: float


@dataclass(frozen=True)
class ModelPolicy:
    """What is asked of one registered model."""

    name: str
    first_figures: dict[str, float]
    gates: dict[str, float]
    primary: str
    waits_for_labels: bool


@dataclass(frozen=True)
class WatchingPolicy:
    """When requests, answers or performance have drifted; the words are explained in contracts/models.toml."""

    window_hours: int
    longest_hours: int
    longest_outcome_hours: int
    least_rows: int
    least_of_a_class: int
    sample_rows: int
    settle_minutes: int
    outcome_hours: dict[str, int]
    chance: float
    enter_looks: int
    leave_looks: int
    enter: dict[str, float]
    leave: dict[str, float]


@dataclass(frozen=True)
class RetrainingPolicy:
    """When drift asks for training again."""

    after_hours: dict[str, float]
    cool_down_hours: float
    most_per_week: int
    most_attempts: int


@dataclass(frozen=True)
class ExperimentPlan:
    """What was written down before an experiment began; the words are explained in contracts/models.toml."""

    alpha: float
    power: float
    minimal_effect: float
    baseline: float
    mismatch: float
    shares: dict[str, float]


@cache
def _contract() -> dict[str, Any]:
    return tomllib.loads((files("contracts") / "models.toml").read_text(encoding="utf-8"))


@cache
def split() -> Split:
    """The division of time."""
    return Split(**_contract()["split"])


@cache
def promotion() -> Promotion:
    """What a challenger must show."""
    return Promotion(**_contract()["promotion"])


@cache
def costs() -> Costs:
    """What decisions cost."""
    return Costs(**_contract()["costs"])


@cache
def retry() -> RetryPolicy:
    """Among which waits the retry policy chooses."""
    found = _contract()["retry"]
    return RetryPolicy(**{**found, "waits_minutes": tuple(map(float, found["waits_minutes"]))})


@cache
def risk() -> RiskPolicy:
    """What makes the tiers of the risk model."""
    found = _contract()["risk"]
    return RiskPolicy(tuple(found["suspicion_reasons"]), float(found["aml_from"]))


@cache
def watching() -> WatchingPolicy:
    """When the world has drifted away from a model."""
    return WatchingPolicy(**_contract()["watching"])


@cache
def retraining() -> RetrainingPolicy:
    """When drift asks for training again."""
    return RetrainingPolicy(**_contract()["retraining"])


@cache
def experiment(name: str) -> ExperimentPlan:
    """The plan of an experiment; what holds for all where it has none of its own."""
    found = dict(_contract()["experiments"])
    own = found.pop("plans", {}).get(name, {})
    return ExperimentPlan(**{**found, **own})


@cache
def models() -> dict[str, ModelPolicy]:
    """The registered models by name."""
    return {name: ModelPolicy(name=name, **row) for name, row in _contract()["models"].items()}
