"""What GET /api/audit answers."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class AuditEntry(BaseModel):
    """One request to the API. One row per request."""

    model_config = ConfigDict(frozen=True)

    audit_id: int = Field(description="Number of the entry, rising.")
    at: datetime = Field(description="When the request came, UTC.")
    key_id: int | None = Field(description="The key it came with; null without one, and with one that did not count.")
    key_name: str | None = Field(description="Name of that key.")
    route: str = Field(description="Which endpoint.", examples=["/api/analytics/solutions"])
    parameters: dict[str, list[str]] = Field(description="Query parameters, each with its values; long ones are cut.")
    status: int = Field(description="HTTP status of the answer.", examples=[200])
    rows: int | None = Field(description="Rows in the answer; null where it has none.")
    ms: float = Field(description="From the request's arrival to the first byte of the answer, milliseconds.")
    request_id: str = Field(description="X-Request-ID of the answer.")


class AuditReply(BaseModel):
    """Requests, the newest first."""

    start: datetime = Field(description="Begin of the range (inclusive), UTC.")
    end: datetime = Field(description="End of the range (exclusive), UTC.")
    entries: list[AuditEntry]
    next_before: int | None = Field(description="Pass as `before` for the next page; null on the last one.")
