"""GET /health: live (the process answers) and ready (it can serve) apart, and both with every dependency named."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from serving.dependencies import HealthDep
from serving.health.checks import HealthReply, Status

router = APIRouter(prefix="/health", tags=["health"])

NOT_READY: dict[int | str, dict[str, object]] = {503: {"model": HealthReply, "description": "Postgres is away."}}


class LiveReply(BaseModel):
    """The process is up."""

    status: Status = Status.UP


@router.get("/live")
async def live() -> LiveReply:
    """The process is up; asks no dependency."""
    return LiveReply()


@router.get("/ready", responses=NOT_READY)
async def ready(health: HealthDep, response: Response) -> HealthReply:
    """Whether requests can be served: 503 while a required dependency is away."""
    return _answer(await health.report(required_only=True), response)


@router.get("", responses=NOT_READY)
async def health(health: HealthDep, response: Response) -> HealthReply:
    """Every dependency with its state; 503 only when a required one is away."""
    return _answer(await health.report(), response)


def _answer(report: HealthReply, response: Response) -> HealthReply:
    response.headers["Cache-Control"] = "no-store"
    if report.status is Status.DOWN:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return report
