"""GET /api/experiments and /api/experiments/{name}."""

import math
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.exceptions import HTTPException

from ml.experiments import readout
from ml.experiments.arms import Arm, Interval
from ml.policy import ExperimentPlan, experiment
from serving.access.callers import Scope
from serving.decisions.experiments import ARMS
from serving.dependencies import RowCountDep, requires
from serving.experiments.models import (
    EXAMPLE,
    ArmCounts,
    ArmReply,
    Bounds,
    ComparisonReply,
    ExperimentReply,
    ExperimentRow,
    ExperimentsReply,
    PlanReply,
    SplitReply,
)
from serving.experiments.repository import BY_RIGHTNESS, Experiments
from serving.problems import FORBIDDEN, INVALID, UNAUTHORISED, UNAVAILABLE, document

MISSING = document(
    404,
    "There is no experiment of this name in the last 90 days.",
    type="urn:problem:not-found",
    title="Not Found",
    detail="There is nothing at this path; /docs lists what there is.",
)

router = APIRouter(
    prefix="/api/experiments",
    tags=["experiments"],
    dependencies=[Depends(requires(Scope.ANALYTICS_READ))],
    responses={**INVALID, **UNAUTHORISED, **FORBIDDEN, **UNAVAILABLE},
)


async def _experiments(request: Request) -> Experiments:
    return request.app.state.experiments  # type: ignore[no-any-return]


ExperimentsDep = Annotated[Experiments, Depends(_experiments)]
Name = Annotated[
    str,
    Path(description="Name of the split.", max_length=200, pattern=r"^[^\x00-\x1f]+$", examples=["routing_by_network"]),
]


async def _plan(request: Request, name: Name) -> ExperimentPlan:
    """As written down; the shares of a split that is running are those it runs with, where none are written."""
    plan = experiment(name)
    running = next((one for one in request.app.decisions.experiments.values() if one.name == name), None)
    if plan.shares or running is None or running.kind != "split":
        return plan
    return replace(plan, shares={readout.CHAMPION: 1 - running.share, ARMS["split"]: running.share})


PlanDep = Annotated[ExperimentPlan, Depends(_plan)]


@router.get("")
async def experiments(store: ExperimentsDep, count_rows: RowCountDep) -> ExperimentsReply:
    """All experiments of the last 90 days, the newest first."""
    found = await store.found()
    count_rows(len(found))
    return ExperimentsReply(experiments=found)


@router.get(
    "/{name}",
    responses={**MISSING, 200: {"content": {"application/json": {"example": [EXAMPLE]}}}},
)
async def experiment_readout(
    store: ExperimentsDep, plan: PlanDep, count_rows: RowCountDep, name: Name
) -> list[ExperimentReply]:
    """Whether an arm does better than the champion, how sure that is, and what must be true for it to hold.

    One read-out for each model that the experiment splits. May be asked for at any time: the verdict is that of a
    test which looking does not spoil.
    """
    found = await store.found(name)
    if not found:
        raise HTTPException(404)
    count_rows(len(found))
    return [_read_out(row, await store.arms(name, row.model), plan) for row in found]


def _read_out(row: ExperimentRow, counts: list[ArmCounts], plan: ExperimentPlan) -> ExperimentReply:
    arms = [Arm(one.arm, one.keys, one.units, one.successes) for one in counts]
    split = readout.balance(arms, plan)
    champion = next((one for one in arms if one.name == readout.CHAMPION), None)
    others = [one for one in arms if one.name != readout.CHAMPION]
    compared = [readout.compare(champion, one, split, plan) for one in others] if champion else []
    return ExperimentReply(
        **row.model_dump(),
        success="the answer was right" if row.model in BY_RIGHTNESS else "the attempt was approved",
        plan=PlanReply(alpha=plan.alpha, power=plan.power, minimal_effect=plan.minimal_effect, baseline=plan.baseline),
        arms=[_arm(one, counted.versions) for one, counted in zip(arms, counts, strict=True)],
        split=SplitReply(
            planned_keys=dict(split.expected),
            p_value=split.p_value,
            is_broken=split.is_broken,
            keys_in_two_arms=sum(one.crossed for one in counts),
        ),
        comparisons=[_comparison(one) for one in compared],
        assumptions=list(readout.ASSUMPTIONS),
    )


def _arm(one: Arm, versions: list[int]) -> ArmReply:
    share = None if math.isnan(one.share) else one.share
    return ArmReply(
        arm=one.name, versions=versions, keys=one.keys, units=one.units, successes=one.successes, share=share
    )


def _comparison(one: readout.Comparison) -> ComparisonReply:
    return ComparisonReply(
        arm=one.arm,
        verdict=one.verdict,
        reason=one.reason,
        planned_units={readout.CHAMPION: one.needed[0], one.arm: one.needed[1]},
        sequential=_bounds(one.sequential.difference, one.sequential.p_value) if one.sequential else None,
        fixed_horizon=_bounds(one.fixed.difference, one.fixed.p_value) if one.fixed else None,
    )


def _bounds(found: Interval, p_value: float) -> Bounds:
    return Bounds(difference=found.value, low=found.low, high=found.high, p_value=p_value)
