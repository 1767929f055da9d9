"""What decisions answer, as types of JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from ml.reasons import Reason

Arm = Literal["champion", "challenger", "canary", "shadow"]


class ModelAnswer(msgspec.Struct, kw_only=True, gc=False):
    """What one version of a model says.

    `probability`: of fraud or approval; of the tier, the processor or the wait that was chosen.
    """

    model: str
    version: int
    arm: Arm
    experiment: str | None
    probability: float
    probabilities: dict[str, float]
    threshold: float | None
    decision: str
    reasons: list[Reason]


class Prediction(ModelAnswer, kw_only=True, gc=False):
    """One model's answer by itself."""

    request_id: str


class Batch(msgspec.Struct, kw_only=True):
    """Answers in the order of the rows."""

    request_id: str
    model: str
    rows: int
    predictions: list[Prediction]


class FiredRule(msgspec.Struct, kw_only=True, gc=False):
    """A policy rule that held, and what it asks for."""

    rule: str
    action: str
    because: str


class Decision(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What models and rules come to together. `model`: none when no model took part, and the rules decided alone."""

    request_id: str
    decision: str
    rules: list[FiredRule]
    models: list[ModelAnswer]
    model: Literal["none"] | None = None
    wait_minutes: float | None = None
    processor: str | None = None


class Inference(msgspec.Struct, kw_only=True, gc=False):
    """A row of the record: one model's answer, what it was asked, and what became of it."""

    request_id: str
    scored_at: datetime
    model: str
    version: int
    arm: Arm
    experiment: str | None
    split_key: str | None
    transaction_id: str | None
    merchant_id: str | None
    request: Mapping[str, Any]
    score: float
    scores: dict[str, float] | None
    decision: str
    policy_rules: list[str]
    reasons: list[Reason]
    latency_us: int
