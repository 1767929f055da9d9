"""The models of the replies, made from the declarations, so that the reference names every field with its unit."""

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic import Field, create_model

from serving.analytics.models import Freshness, Number, Row
from serving.analytics.reports.declaration import Dimension, Kind, Measure, Ratio, Report


class ReportReply(Freshness):
    """What every report says beside its rows."""

    start: datetime = Field(description="First hour counted, UTC.")
    end: datetime = Field(description="End of the last hour counted, UTC; exclusive.")
    group_by: list[str] = Field(description="What one row stands for.", examples=[["processor"]])
    rows: list[Any] = Field(description="One row per group that has any.")
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page; null on the last one.")


@cache
def reply_model(report: Report) -> type[ReportReply]:
    """The reply of a report, with its rows typed."""
    row = row_model(report)
    rows = (list[row], Field(description="One row per group that has any."))  # type: ignore[valid-type]
    return create_model(f"{_title(report)}Reply", __base__=ReportReply, __doc__=report.summary, rows=rows)


@cache
def row_model(report: Report) -> type[Row]:
    """A row of a report: its keys, null when added up, and its figures."""
    fields: dict[str, Any] = {"hour": _hour()}
    fields |= {dimension.name: _key(dimension) for dimension in report.dimensions}
    fields |= {measure.name: _figure(measure) for measure in report.measures if measure.shown}
    fields |= {ratio.name: _quotient(ratio) for ratio in report.ratios}
    fields |= dict.fromkeys(report.percentiles.names if report.percentiles else (), _percentile())
    fields["is_from_batch"] = (
        bool,
        Field(description="True when the batch layer counted every hour behind the row."),
    )
    return create_model(f"{_title(report)}Row", __base__=Row, __doc__="One row per group.", **fields)


def _hour() -> tuple[Any, Any]:
    return datetime | None, Field(default=None, description="Start of the hour, UTC; null when hours are added up.")


def _key(dimension: Dimension) -> tuple[Any, Any]:
    description = f"{dimension.description} Null when added up."
    return dimension.type | None, Field(default=None, description=description, examples=[dimension.example])


def _figure(measure: Measure) -> tuple[Any, Any]:
    kind: Any = int if measure.kind is Kind.COUNT else Number
    is_optional = measure.nullable or measure.kind is Kind.MONEY
    description = f"{measure.description}, {measure.kind.value}."
    return (kind | None if is_optional else kind), Field(description=description, examples=[_EXAMPLES[measure.kind]])


def _quotient(ratio: Ratio) -> tuple[Any, Any]:
    description = f"{ratio.description}, {ratio.unit}; null when there is nothing to divide by."
    return Number | None, Field(description=description, examples=[0.91 if ratio.digits == 6 else 182.4])


def _percentile() -> tuple[Any, Any]:
    description = "Processing time that this share of attempts did not exceed, milliseconds; 1 % exact."
    return Number | None, Field(default=None, description=description, examples=[187.5])


_EXAMPLES: dict[Kind, int | float | Decimal] = {
    Kind.COUNT: 86_400,
    Kind.USD: 48210.55,
    Kind.MONEY: 41870.2,
    Kind.NUMBER: 1203.5,
}


def _title(report: Report) -> str:
    return "ThreeDs" if report.name == "3ds" else report.name.title()


class Alert(Row):
    """One row per alert that is open."""

    alert_id: str = Field(description="Identity of the alert.")
    kind: str = Field(description="anomaly, drift, approval_rate, freshness or dead_letters.", examples=["anomaly"])
    severity: str = Field(description="warning or critical.", examples=["warning"])
    started_at: datetime | None = Field(description="When what it is about began, UTC.")
    detected_at: datetime | None = Field(description="When it was noticed, UTC.")
    metric: str | None = Field(description="The figure that is unusual.", examples=["approval_rate"])
    dimension: str | None = Field(description="What the figure was cut by; null for the whole.", examples=["processor"])
    value: str | None = Field(description="The value of that dimension.", examples=["ProcessorB"])
    observed: Number | None = Field(description="The figure as it is, in its own unit.", examples=[0.71])
    expected: Number | None = Field(description="The figure as it should be, in its own unit.", examples=[0.9])
    reason: str | None = Field(description="The alert in a sentence.")


class AlertsReply(Freshness):
    """Open alerts, the critical and then the newest first."""

    alerts: list[Alert]
