"""Query parameters of the analytics endpoints: typed, bounded, and nothing unknown let through."""

import base64
import binascii
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from serving.analytics.models import Grouping, Window
from serving.analytics.repository import Cursor, TrendQuery

LONGEST_RANGE = timedelta(days=366)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def _restore_plus(value: Any) -> Any:
    """`+02:00` typed into a URL without escaping arrives as ` 02:00`."""
    return value.replace(" ", "+") if isinstance(value, str) and value.count(":") > 2 else value


def _as_utc(value: datetime) -> datetime:
    instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if not EARLIEST - timedelta(days=1) < instant.replace(tzinfo=UTC) < LATEST:
        raise ValueError("expected a time between the years 2000 and 2100")
    return instant.astimezone(UTC)


def plain(value: str) -> str:
    """Any text but control characters and line ends: Postgres takes no NUL and no half of a surrogate pair."""
    if any(unicodedata.category(character) in _CONTROLS for character in value):
        raise ValueError("expected text without control characters")
    return value


def decode_cursor(value: str) -> Cursor:
    """The cursor behind its text; ValueError when it is none."""
    try:
        hour, segment, currency = json.loads(base64.urlsafe_b64decode(value))
        return Cursor(_as_utc(datetime.fromisoformat(hour)), plain(segment), plain(currency))
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise ValueError("not a cursor of this endpoint; pass next_cursor of the page before, unchanged") from None


def _check_cursor(value: str) -> str:
    decode_cursor(value)
    return value


def encode_cursor(cursor: Cursor) -> str:
    """The cursor as text that a client hands back unread."""
    key = [cursor.hour.isoformat(), cursor.segment, cursor.currency]
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


Instant = Annotated[datetime, BeforeValidator(_restore_plus), AfterValidator(_as_utc)]


class Parameters(BaseModel):
    """Base of all query parameters: what is not declared is refused."""

    model_config = ConfigDict(extra="forbid")


class WindowParameters(Parameters):
    window: Window = Field(
        default=Window.LAST_24_HOURS, description="Trailing window ending now.", examples=["last_24_hours"]
    )


class TrendParameters(Parameters):
    start: Instant | None = Field(
        default=None,
        alias="from",
        description="First hour (inclusive), ISO 8601, UTC unless an offset is given. Default: 24 hours before `to`.",
        examples=["2026-03-01T00:00:00Z"],
    )
    end: Instant | None = Field(
        default=None,
        alias="to",
        description="End (exclusive), ISO 8601. At most 366 days after `from`. Default: now, or that.",
        examples=["2026-03-02T00:00:00Z"],
    )
    segment: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(plain)] | None = Field(
        default=None, description="Only this merchant segment.", examples=["Travel"]
    )
    currency: str | None = Field(
        default=None, pattern="^[A-Za-z]{3}$", description="Only this ISO 4217 currency.", examples=["EUR"]
    )
    group_by: Grouping = Field(
        default=Grouping.HOUR, description="What one point stands for, beside its hour.", examples=["segment"]
    )
    limit: int = Field(default=500, ge=1, le=5000, description="Most points per page.", examples=[500])
    cursor: Annotated[str, StringConstraints(max_length=400), AfterValidator(_check_cursor)] | None = Field(
        default=None, description="`next_cursor` of the page before."
    )

    @model_validator(mode="after")
    def _check_range(self) -> "TrendParameters":
        if self.start and self.end and self.start >= self.end:
            raise ValueError("the range is reversed or empty: `from` must be before `to`")
        if self.start and self.end and self.end - self.start > LONGEST_RANGE:
            raise ValueError(f"the range is too long: at most {LONGEST_RANGE.days} days between `from` and `to`")
        return self

    def query(self, now: datetime) -> TrendQuery:
        """The query meant, with defaults counted from `now`; one more row than asked for, to see if a page follows."""
        end = self.end or self._default_end(now)
        return TrendQuery(
            start=(self.start or end - timedelta(hours=24)).replace(minute=0, second=0, microsecond=0),
            end=end,
            segment=self.segment,
            currency=self.currency.upper() if self.currency else None,
            grouping=self.group_by,
            limit=self.limit + 1,
            after=decode_cursor(self.cursor) if self.cursor else Cursor(),
        )

    def _default_end(self, now: datetime) -> datetime:
        if self.start is None:
            return now
        return min(max(now, self.start + timedelta(hours=1)), self.start + LONGEST_RANGE)
