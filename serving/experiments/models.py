"""What the experiment endpoints answer."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ml.experiments.readout import Verdict


class ExperimentRow(BaseModel):
    """An experiment and the model whose versions it compares."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    name: str = Field(description="Name of the split.", examples=["routing_by_network"])
    model: str = Field(description="Registered model.", examples=["smart_routing_policy"])
    started_at: datetime = Field(description="First answer that it chose the arm of, UTC.")
    newest_at: datetime = Field(description="Newest such answer, UTC.")
    answers: int = Field(description="Answers so far, count.", examples=[120400])


class ExperimentsReply(BaseModel):
    """All experiments of the last 90 days, the newest first."""

    experiments: list[ExperimentRow]


class Bounds(BaseModel):
    """A difference of shares, the arm's minus the champion's, with its confidence bounds."""

    difference: float = Field(description="Difference of shares, -1..1.", examples=[0.0123])
    low: float = Field(description="Lower bound, -1..1.", examples=[0.0041])
    high: float = Field(description="Upper bound, -1..1.", examples=[0.0205])
    p_value: float = Field(description="Chance of a difference as large without a true one, 0..1.", examples=[0.0031])


class ArmReply(BaseModel):
    """One arm, counted."""

    model_config = ConfigDict(protected_namespaces=())

    arm: str = Field(description="champion, challenger or canary.", examples=["challenger"])
    versions: list[int] = Field(description="Versions of the model that answered in it.", examples=[[7]])
    keys: int = Field(description="Keys that the split sent here, count.", examples=[40120])
    units: int = Field(description="Of these, keys with a known outcome, count.", examples=[38800])
    successes: int = Field(description="Units that succeeded, count.", examples=[34550])
    share: float | None = Field(description="Successes among units, 0..1; null without units.", examples=[0.8905])


class ComparisonReply(BaseModel):
    """An arm beside the champion."""

    arm: str = Field(examples=["challenger"])
    verdict: Verdict = Field(description="What is to be concluded now; by the sequential test.")
    reason: str = Field(description="The same in a sentence.")
    planned_units: dict[str, int] = Field(
        description="Units that the fixed test was planned with, by arm.",
        examples=[{"champion": 15820, "challenger": 15820}],
    )
    sequential: Bounds | None = Field(description="Holds at every look; null while there is too little.")
    fixed_horizon: Bounds | None = Field(description="Holds at the planned size; null before that is reached.")


class SplitReply(BaseModel):
    """Whether keys went to the arms as planned."""

    planned_keys: dict[str, float] = Field(description="Keys by arm if all went as planned; empty without a plan.")
    p_value: float | None = Field(description="Chance of arms so different, 0..1; null without a plan.")
    is_broken: bool = Field(description="True when nothing should be concluded.")
    keys_in_two_arms: int = Field(description="Keys that were seen in more than one arm, left out, count.")


class PlanReply(BaseModel):
    """What was written down before."""

    alpha: float = Field(description="Chance of a false finding, 0..1.", examples=[0.05])
    power: float = Field(description="Chance of finding the minimal effect, 0..1.", examples=[0.8])
    minimal_effect: float = Field(description="Absolute difference of shares worth finding.", examples=[0.01])
    baseline: float = Field(description="Share that was expected of the champion.", examples=[0.88])


class ExperimentReply(ExperimentRow):
    """The read-out of an experiment."""

    success: str = Field(description="What counts as a success.")
    plan: PlanReply
    arms: list[ArmReply]
    split: SplitReply
    comparisons: list[ComparisonReply]
    assumptions: list[str] = Field(description="What must be true for all this to hold.")


class ArmCounts(BaseModel):
    """An arm as the database counts it."""

    model_config = ConfigDict(frozen=True)

    arm: str
    versions: list[int]
    keys: int
    units: int
    successes: int
    crossed: int


EXAMPLE: dict[str, Any] = {
    "name": "routing_by_network",
    "model": "smart_routing_policy",
    "started_at": "2026-03-02T00:00:00Z",
    "newest_at": "2026-03-09T11:59:58Z",
    "answers": 120400,
    "success": "the attempt was approved",
    "plan": {"alpha": 0.05, "power": 0.8, "minimal_effect": 0.01, "baseline": 0.88},
    "arms": [
        {"arm": "champion", "versions": [6], "keys": 40310, "units": 39000, "successes": 34320, "share": 0.88},
        {"arm": "challenger", "versions": [7], "keys": 40120, "units": 38800, "successes": 34726, "share": 0.895},
    ],
    "split": {
        "planned_keys": {"champion": 40215.0, "challenger": 40215.0},
        "p_value": 0.503,
        "is_broken": False,
        "keys_in_two_arms": 0,
    },
    "comparisons": [
        {
            "arm": "challenger",
            "verdict": "better",
            "reason": "challenger is better than the champion: +1.50% (+0.73% to +2.27%).",
            "planned_units": {"champion": 16073, "challenger": 15998},
            "sequential": {"difference": 0.015, "low": 0.0073, "high": 0.0227, "p_value": 1e-08},
            "fixed_horizon": {"difference": 0.015, "low": 0.0105, "high": 0.0195, "p_value": 4e-11},
        }
    ],
    "assumptions": ["A key stays in its arm; keys that were seen in two are left out and counted."],
}
