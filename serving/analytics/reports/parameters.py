"""Query parameters of the reports, made from the declarations: typed, bounded, and nothing unknown let through."""

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    create_model,
    field_validator,
    model_validator,
)

from serving.analytics.models import Window
from serving.analytics.parameters import Instant, Parameters, plain
from serving.analytics.reports.composer import FilterValue, ReportQuery
from serving.analytics.reports.declaration import HOUR, Dimension, Report

LONGEST_RANGE = timedelta(days=90)
DEFAULT_RANGE = timedelta(hours=24)
ONE_HOUR = timedelta(hours=1)
DEFAULT_LIMIT, HIGHEST_LIMIT = 100, 1000
HIGHEST_LIMIT_OF_A_WINDOW = 100
MOST_VALUES = 50
FURTHEST_OFFSET = 10_000_000

LONGEST_NAME = 512
"""What the stream accepts of a name, in bytes; in characters it is no more."""


def _is_a_date(value: Any) -> Any:
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("expected a time in ISO 8601, such as 2026-03-01T00:00:00Z")
    return value


RangeInstant = Annotated[Instant, BeforeValidator(_is_a_date)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), AfterValidator(plain)]
"""Any text: it reaches Postgres as a bind parameter, so that one which looks like SQL is a name like others."""
SmallNumber = Annotated[int, Field(ge=-(2**31), lt=2**31)]
_LISTS: dict[type, Any] = {str: list[Name], int: list[SmallNumber], bool: list[bool]}


@dataclass(frozen=True)
class PageMark:
    """Where a page ended, and of which request: the next one reads on in the same hours."""

    request: str
    start: datetime
    end: datetime
    offset: int

    def encode(self) -> str:
        """As text that a client hands back unread."""
        parts = [self.request, self.start.isoformat(), self.end.isoformat(), self.offset]
        return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def decode_mark(text: str) -> PageMark:
    """The mark behind its text.

    Raises:
        ValueError: when it is none.
    """
    try:
        request, start, end, offset = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
        mark = PageMark(request, datetime.fromisoformat(start), datetime.fromisoformat(end), offset)
        is_sound = isinstance(offset, int) and 0 < offset <= FURTHEST_OFFSET and isinstance(request, str)
        if is_sound and timedelta(0) < mark.end - mark.start <= LONGEST_RANGE and mark.start.utcoffset() is not None:
            return mark
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        pass  # whatever is wrong with it, the answer is the same
    raise ValueError("not a cursor of this endpoint; pass next_cursor of the page before, unchanged")


class ReportParameters(Parameters):
    """Base of every report's parameters; a field for each of its dimensions is added."""

    report: ClassVar[Report]

    start: RangeInstant | None = Field(
        default=None,
        description="Begin (inclusive), ISO 8601, UTC unless an offset is given; its whole hour counts. "
        "Default: 24 hours before `end`.",
        examples=["2026-03-01T00:00:00Z"],
    )
    end: RangeInstant | None = Field(
        default=None,
        description="End (exclusive), ISO 8601; its whole hour counts. At most 90 days after `start`. Default: now.",
        examples=["2026-03-02T00:00:00Z"],
    )
    group_by: str | None = Field(default=None, max_length=400)
    sort: str | None = Field(default=None, max_length=100)
    limit: int | None = Field(
        default=DEFAULT_LIMIT, ge=1, le=HIGHEST_LIMIT, description="Most rows per page.", examples=[DEFAULT_LIMIT]
    )
    cursor: str | None = Field(default=None, max_length=400, description="`next_cursor` of the page before.")

    @field_validator("group_by")
    @classmethod
    def _check_group_by(cls, value: str | None) -> str | None:
        for key in _listed(value):
            if key not in cls.report.keys:
                raise ValueError(f"unknown dimension {key[:40]!r}; known are {', '.join(cls.report.keys)}")
        return value

    @field_validator("cursor")
    @classmethod
    def _check_cursor(cls, value: str | None) -> str | None:
        if value is not None:
            decode_mark(value)
        return value

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError("the range is reversed or empty: `start` must be before `end`")
        if self.start and self.end and _up(self.end) - _down(self.start) > LONGEST_RANGE:
            raise ValueError(f"the range is too long: at most {LONGEST_RANGE.days} days between `start` and `end`")
        return self

    @model_validator(mode="after")
    def _check_sort(self) -> Self:
        known = (*self.keys, *self.report.figures)
        if self.sort is not None and self.sort.removeprefix("-") not in known:
            raise ValueError(f"cannot sort by {self.sort[:40]!r}; known are {', '.join(known)}, each also with -")
        return self

    @model_validator(mode="after")
    def _check_mark(self) -> Self:
        if self.cursor is not None and decode_mark(self.cursor).request != self.fingerprint:
            raise ValueError("the cursor belongs to another request: keep every parameter but `limit` as it was")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """What rows are grouped by, each once."""
        return tuple(dict.fromkeys(_listed(self.group_by))) or (self.report.main_dimension,)

    @property
    def order(self) -> str:
        """What rows are sorted by: a series in time by its hour, all else by what matters most, unless told."""
        return self.sort or (HOUR if HOUR in self.keys else f"-{self.report.main_measure}")

    @property
    def page(self) -> int:
        """Most rows of a page."""
        return self.limit or DEFAULT_LIMIT

    @property
    def filters(self) -> dict[str, tuple[FilterValue, ...]]:
        """The values wanted, by dimension; dimensions that were not named are absent."""
        wanted = {name: getattr(self, name) for name in self.report.dimension_names}
        return {name: tuple(values) for name, values in wanted.items() if values}

    @property
    def fingerprint(self) -> str:
        """Tells requests apart that have different rows in a different order."""
        parts = [self.report.name, self.start, self.end, self.keys, self.order, sorted(self.filters.items())]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def query(self, now: datetime) -> ReportQuery:
        """The query meant, with defaults counted from `now`; one more row than asked for, to see if a page follows."""
        mark = decode_mark(self.cursor) if self.cursor else None
        start, end = (mark.start, mark.end) if mark else self._hours(now)
        return ReportQuery(
            report=self.report,
            start=start,
            end=end,
            filters=self.filters,
            group_by=self.keys,
            sort=self.order.removeprefix("-"),
            descending=self.order.startswith("-"),
            limit=self.page + 1,
            offset=mark.offset if mark else 0,
        )

    def _hours(self, now: datetime) -> tuple[datetime, datetime]:
        """Whole hours that hold the range asked for."""
        if self.start is None:
            end = _up(self.end or now)
            return end - DEFAULT_RANGE, end
        start = _down(self.start)
        return start, _up(self.end) if self.end else min(max(_up(now), start + ONE_HOUR), start + LONGEST_RANGE)

    def mark_after(self, query: ReportQuery) -> PageMark:
        """Where the page of a query ends when another follows."""
        return PageMark(self.fingerprint, query.start, query.end, query.offset + self.page)


def _listed(value: str | None) -> list[str]:
    return [name.strip() for name in value.split(",")] if value is not None else []


def _down(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _up(instant: datetime) -> datetime:
    whole = _down(instant)
    return whole if whole == instant else whole + ONE_HOUR


@cache
def parameters_model(report: Report, base: type[ReportParameters] = ReportParameters) -> type[ReportParameters]:
    """The parameters of a report: the common ones, and one for each of its dimensions."""
    fields: dict[str, Any] = {dimension.name: _filter(dimension) for dimension in report.dimensions}
    fields["group_by"] = (str | None, _group_by(report))
    fields["sort"] = (str | None, _sort(report))
    model = create_model(f"{base.__name__}Of{report.name.title()}", __base__=base, **fields)
    model.report = report
    return model


def _filter(dimension: Dimension) -> tuple[Any, Any]:
    description = f"Only rows with this value, repeatable for any of several. {dimension.description}"
    return _LISTS[dimension.type], Field(
        default=[], max_length=MOST_VALUES, description=description, examples=[[dimension.example]]
    )


def _group_by(report: Report) -> Any:
    return Field(
        default=None,
        max_length=400,
        description=f"What one row stands for, separated by commas: {', '.join(report.keys)}. "
        f"Default: {report.main_dimension}.",
        examples=[f"{HOUR},{report.main_dimension}"],
    )


def _sort(report: Report) -> Any:
    return Field(
        default=None,
        max_length=100,
        description=f"What rows are sorted by: anything grouped by, or one of {', '.join(report.figures)}; "
        f"- in front for descending. Default: hour where rows have one, else -{report.main_measure}.",
        examples=[f"-{report.main_measure}"],
    )


class DeclineParameters(ReportParameters):
    """Either the reasons of a trailing window, or any range of hours."""

    window: Window | None = Field(
        default=None,
        description="Trailing window ending now, `last_24_hours` by default. Goes with `limit` alone: with any other "
        "parameter the reply is about a range of hours.",
        examples=["last_24_hours"],
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        le=HIGHEST_LIMIT,
        description="Most rows: 10 by default and 100 at most for a window, 100 and 1000 per page for a range.",
        examples=[10],
    )

    @property
    def is_of_a_window(self) -> bool:
        """Whether nothing asks for a range."""
        return not self.model_fields_set - {"window", "limit"}

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.is_of_a_window and (self.limit or 1) > HIGHEST_LIMIT_OF_A_WINDOW:
            raise ValueError(f"a window gives at most {HIGHEST_LIMIT_OF_A_WINDOW} reasons: lower `limit`")
        if self.window is not None and not self.is_of_a_window:
            raise ValueError("`window` goes with `limit` alone: leave it out to ask for a range of hours")
        return self


class AlertParameters(Parameters):
    """Which open alerts."""

    kind: list[Name] = Field(
        default=[], max_length=MOST_VALUES, description="Only alerts of this kind, repeatable.", examples=[["anomaly"]]
    )
    severity: list[Name] = Field(
        default=[], max_length=MOST_VALUES, description="Only warning or critical, repeatable.", examples=[["critical"]]
    )
    limit: int = Field(default=100, ge=1, le=HIGHEST_LIMIT, description="Most alerts returned.", examples=[100])
