"""What the analytics endpoints answer: every figure with its unit."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""Exact inside, a JSON number outside."""


def _usd(what: str) -> Decimal:
    return Field(description=f"{what}, US dollars rounded to cents.", examples=[48210.55])  # type: ignore[no-any-return]


def _share(what: str) -> Decimal | None:
    return Field(description=f"{what}, ratio 0..1; null when there is nothing to divide by.", examples=[0.9132])  # type: ignore[no-any-return]


class Window(StrEnum):
    """Trailing windows for which KPIs are kept, ending now and starting on a whole minute."""

    LAST_HOUR = "last_hour"
    LAST_24_HOURS = "last_24_hours"
    LAST_7_DAYS = "last_7_days"
    ALL_TIME = "all_time"


class Grouping(StrEnum):
    """What one row of the trends stands for."""

    HOUR = "hour"
    SEGMENT = "segment"
    CURRENCY = "currency"
    SEGMENT_AND_CURRENCY = "segment_and_currency"

    @property
    def by_segment(self) -> bool:
        return self in (Grouping.SEGMENT, Grouping.SEGMENT_AND_CURRENCY)

    @property
    def by_currency(self) -> bool:
        return self in (Grouping.CURRENCY, Grouping.SEGMENT_AND_CURRENCY)


class Row(BaseModel):
    """A row of a gold view as it is shown; columns that are not shown are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Freshness(Row):
    """How far the figures reach."""

    newest_event_at: datetime | None = Field(description="Event time of the newest payment counted, UTC.")
    data_through: datetime | None = Field(description="When the last batch that is counted was committed, UTC.")


class Progress(Freshness):
    """How far the figures reach, and what tells one state of them from the next."""

    last_batch_id: int | None = None
    batch_layer_writes: int = 0
    """Rows that the batch layer has written so far."""


class Kpi(Freshness):
    """Headline figures of one window. One row per window."""

    kpi_window: Window
    window_start: datetime | None = Field(description="Start of the window, UTC; null for all_time.")
    attempts: int = Field(description="Authorisation attempts, count.", examples=[86400])
    approved: int = Field(description="Approved attempts, count.", examples=[78900])
    declined: int = Field(description="Declined attempts, count.", examples=[7500])
    approval_rate: Number | None = _share("Approved attempts among all attempts")
    first_attempts: int = Field(description="Attempts that are no retry, count.")
    first_attempts_approved: int = Field(description="Approved attempts that are no retry, count.")
    first_attempt_approval_rate: Number | None = _share("Approved among first attempts")
    amount_usd: Number = _usd("Amount of all attempts")
    approved_amount_usd: Number = _usd("Amount of approved attempts")
    declined_amount_usd: Number = _usd("Amount of declined attempts")
    average_ticket_usd: Number | None = Field(description="Mean amount of an attempt, US dollars.", examples=[61.2])
    average_latency_ms: Number | None = Field(description="Mean processing time, milliseconds.", examples=[182.4])
    high_risk: int = Field(description="Attempts in risk tier HIGH, count.")
    high_risk_share: Number | None = _share("Attempts in risk tier HIGH among all attempts")
    late: int = Field(description="Attempts that arrived after the watermark, count.")
    last_batch_id: int | None = Field(description="Number of the last committed batch.")
    batch_layer_through: datetime | None = Field(
        description="The batch layer has recomputed everything before this instant, UTC; null when it never ran."
    )


class TrendPoint(Row):
    """One row per hour and, when asked for, merchant segment and currency."""

    hour: datetime = Field(description="Start of the hour, UTC.")
    merchant_segment: str | None = Field(description="Merchant segment; null when segments are added up.")
    currency: str | None = Field(description="ISO 4217 code; null when currencies are added up.")
    attempts: int = Field(description="Authorisation attempts, count.")
    approved: int = Field(description="Approved attempts, count.")
    declined: int = Field(description="Declined attempts, count.")
    approval_rate: Number | None = _share("Approved attempts among all attempts")
    first_attempts: int = Field(description="Attempts that are no retry, count.")
    first_attempts_approved: int = Field(description="Approved attempts that are no retry, count.")
    amount: Number | None = Field(description="Amount in units of `currency`; null when currencies are added up.")
    approved_amount: Number | None = Field(description="Approved amount in units of `currency`; null likewise.")
    amount_usd: Number = _usd("Amount of all attempts")
    approved_amount_usd: Number = _usd("Amount of approved attempts")
    average_latency_ms: Number | None = Field(description="Mean processing time, milliseconds.")
    is_from_batch: bool = Field(description="True when every row behind this one was recomputed by the batch layer.")


class DeclineReason(Row):
    """One row per decline reason within the window."""

    rank: int = Field(description="1 is the most frequent reason.")
    decline_reason: str = Field(description="Code of the decline taxonomy.", examples=["insufficient_funds"])
    kind: str = Field(description="soft (a retry may succeed), hard (it will not) or unknown.", examples=["soft"])
    meaning: str | None = Field(description="The code in plain words.")
    declines: int = Field(description="Declined attempts, count.", examples=[2310])
    share_of_declines: Number | None = _share("Declines for this reason among all declines of the window")
    amount_usd: Number = _usd("Declined amount")
    recovery_rate: Number | None = _share("Share of such declines that a well-timed retry recovers, expected")
    recoverable_amount_usd: Number | None = Field(description="Declined amount × recovery rate, US dollars.")
    wait_minutes: int | None = Field(description="Wait before a retry is worth trying, minutes.")


class TrendsReply(Freshness):
    """Hourly figures, oldest first."""

    start: datetime = Field(serialization_alias="from", description="First hour asked for (inclusive), UTC.")
    end: datetime = Field(serialization_alias="to", description="End of the range (exclusive), UTC.")
    points: list[TrendPoint]
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page; null on the last one.")


class DeclinesReply(Freshness):
    """Decline reasons of a window, the most frequent first."""

    kpi_window: Window
    reasons: list[DeclineReason]


class Pulse(BaseModel):
    """All-time totals at one instant: the difference of two tells the throughput and approval between them."""

    at: datetime = Field(description="When the totals were read, UTC.")
    attempts: int = Field(description="Authorisation attempts ever, count.")
    approved: int = Field(description="Approved attempts ever, count.")


class LiveKpi(BaseModel):
    """Payload of one `kpi` event of the live stream."""

    kpi: Kpi
    pulse: Pulse
