"""GET /api/audit: who asked what, when, and what came back."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from serving.access.callers import Scope
from serving.access.models import AuditReply
from serving.access.store import AuditQuery
from serving.analytics.parameters import Parameters
from serving.analytics.reports.parameters import LONGEST_RANGE, RangeInstant
from serving.dependencies import AuditDep, ClockDep, RowCountDep, requires
from serving.problems import FORBIDDEN, INVALID, UNAUTHORISED, UNAVAILABLE

router = APIRouter(
    prefix="/api",
    tags=["access"],
    dependencies=[Depends(requires(Scope.AUDIT_READ))],
    responses={**INVALID, **UNAUTHORISED, **FORBIDDEN, **UNAVAILABLE},
)

BIGGEST = 2**63 - 1
DEFAULT_RANGE = timedelta(hours=24)


class AuditParameters(Parameters):
    start: RangeInstant | None = Field(
        default=None,
        description="Begin (inclusive), ISO 8601, UTC unless an offset is given. Default: 24 hours before `end`.",
        examples=["2026-03-01T00:00:00Z"],
    )
    end: RangeInstant | None = Field(
        default=None, description="End (exclusive), ISO 8601. Default: now.", examples=["2026-03-02T00:00:00Z"]
    )
    key_id: int | None = Field(default=None, ge=0, le=BIGGEST, description="Only requests with this key.", examples=[7])
    route: str | None = Field(
        default=None,
        max_length=200,
        pattern=r"^/[\w/.-]*$",
        description="Only this endpoint.",
        examples=["/api/analytics/merchants"],
    )
    status: int | None = Field(default=None, ge=100, le=599, description="Only this HTTP status.", examples=[403])
    limit: int = Field(default=100, ge=1, le=1000, description="Most entries per page.", examples=[100])
    before: int | None = Field(
        default=None, ge=0, le=BIGGEST, description="`next_before` of the page before.", examples=[4711]
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError("the range is reversed or empty: `start` must be before `end`")
        if self.start and self.end and self.end - self.start > LONGEST_RANGE:
            raise ValueError(f"the range is too long: at most {LONGEST_RANGE.days} days between `start` and `end`")
        return self

    def query(self, now: datetime) -> AuditQuery:
        """The query meant, with defaults counted from `now`; one more entry than asked for."""
        latest = self.end or max(now, self.start or now) + timedelta(seconds=1)
        start = self.start or latest - DEFAULT_RANGE
        end = min(latest, start + LONGEST_RANGE)
        return AuditQuery(start, end, self.key_id, self.route, self.status, self.before, self.limit + 1)


@router.get("/audit")
async def audit(
    audit: AuditDep, clock: ClockDep, count_rows: RowCountDep, parameters: Annotated[AuditParameters, Query()]
) -> AuditReply:
    """Requests of the last 90 days at most, the newest first; needs a key with the scope audit:read."""
    query = parameters.query(clock())
    found = await audit.entries(query)
    entries = found[: parameters.limit]
    count_rows(len(entries))
    more = len(found) > len(entries)
    return AuditReply(
        start=query.start, end=query.end, entries=entries, next_before=entries[-1].audit_id if more else None
    )
