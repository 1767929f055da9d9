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
def models() -> dict[str, ModelPolicy]:
    """The registered models by name."""
    return {name: ModelPolicy(name=name, **row) for name, row in _contract()["models"].items()}
