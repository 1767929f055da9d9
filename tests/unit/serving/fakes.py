"""An in-memory store of figures and a raw HTTP conversation, for tests without Postgres or a socket."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fastapi import FastAPI

from serving.access.keys import Key, hash_of, new_secret
from serving.access.store import Asked
from serving.analytics.models import DeclineReason, Freshness, Kpi, Progress, TrendPoint, Window
from serving.analytics.reports.composer import ReportQuery
from serving.analytics.reports.declaration import HOUR
from serving.analytics.reports.models import Alert
from serving.analytics.repository import TrendQuery

NOW = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)


def kpi(window: Window = Window.LAST_24_HOURS, **changes: Any) -> Kpi:
    """A window's figures: 1,000 attempts of which 900 were approved."""
    figures: dict[str, Any] = {
        "kpi_window": window,
        "window_start": None if window is Window.ALL_TIME else NOW - timedelta(hours=1),
        "attempts": 1000,
        "approved": 900,
        "declined": 100,
        "approval_rate": Decimal("0.900000"),
        "first_attempts": 950,
        "first_attempts_approved": 870,
        "first_attempt_approval_rate": Decimal("0.915789"),
        "amount_usd": Decimal("61230.10"),
        "approved_amount_usd": Decimal("55107.09"),
        "declined_amount_usd": Decimal("6123.01"),
        "average_ticket_usd": Decimal("61.23"),
        "average_latency_ms": Decimal("182.4"),
        "high_risk": 30,
        "high_risk_share": Decimal("0.03"),
        "late": 2,
        "newest_event_at": NOW - timedelta(seconds=2),
        "data_through": NOW - timedelta(seconds=1),
        "last_batch_id": 42,
        "batch_layer_through": NOW - timedelta(hours=2),
    }
    return Kpi(**{**figures, **changes})


def point(hour: datetime, segment: str | None = None, currency: str | None = None) -> TrendPoint:
    """An hour with ten attempts of which nine were approved."""
    return TrendPoint(
        hour=hour,
        merchant_segment=segment,
        currency=currency,
        attempts=10,
        approved=9,
        declined=1,
        approval_rate=Decimal("0.9"),
        first_attempts=10,
        first_attempts_approved=9,
        amount=None,
        approved_amount=None,
        amount_usd=Decimal("100.50"),
        approved_amount_usd=Decimal("90.45"),
        average_latency_ms=Decimal("180"),
        is_from_batch=True,
    )


def reason(rank: int = 1, code: str = "insufficient_funds") -> DeclineReason:
    """A soft reason that a retry recovers once in three."""
    return DeclineReason(
        rank=rank,
        decline_reason=code,
        kind="soft",
        meaning="Not enough money",
        declines=40,
        share_of_declines=Decimal("0.4"),
        amount_usd=Decimal("2449.20"),
        recovery_rate=Decimal("0.34"),
        recoverable_amount_usd=Decimal("832.73"),
        wait_minutes=1440,
    )


def report_row(query: ReportQuery, number: int) -> dict[str, Any]:
    """A group of a report with a key of its own and the same figures everywhere."""
    types = {dimension.name: dimension.type for dimension in query.report.dimensions}
    values: dict[type, Any] = {str: f"group {number}", int: number, bool: bool(number % 2)}
    keys = {key: NOW + timedelta(hours=number) if key == HOUR else values[types[key]] for key in query.group_by}
    return {**keys, **dict.fromkeys(query.report.figures, Decimal(2)), "is_from_batch": True}


@dataclass
class FakeKeys:
    """Keys in memory; counts how often it was asked."""

    known: dict[bytes, Key] = field(default_factory=dict)
    failure: Exception | None = None
    asked: int = 0

    def issue(
        self,
        scopes: Sequence[str] = ("analytics:read",),
        merchants: list[str] | None = None,
        expires_at: datetime | None = None,
        revoked_at: datetime | None = None,
    ) -> str:
        """A new key; returns its secret."""
        secret = new_secret()
        self.known[hash_of(secret)] = Key(len(self.known) + 1, list(scopes), merchants, expires_at, revoked_at)
        return secret

    async def find(self, key_hash: bytes) -> Key | None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.known.get(key_hash)


@dataclass
class FakeWriter:
    """Keeps what the audit is given; raises the failures first, one each time."""

    kept: list[Asked] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def write(self, asked: Sequence[Asked]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept += asked

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class FakeAnalytics:
    """Answers from lists; raises `failure` instead while there is one. Remembers what was asked."""

    windows: dict[Window, Kpi] = field(default_factory=lambda: {window: kpi(window) for window in Window})
    points: list[TrendPoint] = field(default_factory=list)
    reasons: list[DeclineReason] = field(default_factory=lambda: [reason()])
    failure: Exception | None = None
    readings: int = 0
    asked: list[TrendQuery] = field(default_factory=list)
    groups: int = 3
    batch: int = 42
    batch_layer_writes: int = 0
    reports: list[ReportQuery] = field(default_factory=list)
    open_alerts: list[Alert] = field(default_factory=list)

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def ping(self) -> None:
        self._answer()

    async def kpis(self) -> dict[Window, Kpi]:
        self.readings += 1
        self._answer()
        return self.windows

    async def kpi(self, window: Window) -> Kpi | None:
        self._answer()
        return self.windows.get(window)

    async def freshness(self) -> Freshness:
        self._answer()
        return kpi()

    async def progress(self) -> Progress:
        self._answer()
        known = kpi(last_batch_id=self.batch).model_dump(include=set(Progress.model_fields))
        return Progress(**known, batch_layer_writes=self.batch_layer_writes)

    async def report(self, query: ReportQuery) -> list[dict[str, Any]]:
        self._answer()
        self.reports.append(query)
        last = min(query.offset + query.limit, self.groups)
        return [report_row(query, number) for number in range(query.offset, last)]

    async def alerts(self, kinds: list[str], severities: list[str], limit: int) -> list[Alert]:
        self._answer()
        return [one for one in self.open_alerts if not kinds or one.kind in kinds][:limit]

    async def trends(self, query: TrendQuery) -> list[TrendPoint]:
        self._answer()
        self.asked.append(query)
        after = query.after
        key = (after.hour, after.segment, after.currency)
        rest = [p for p in self.points if (p.hour, p.merchant_segment or "", p.currency or "") > key]
        return rest[: query.limit]

    async def declines(self, window: Window, limit: int) -> list[DeclineReason]:
        self._answer()
        return self.reasons[:limit]


class LiveRequest:
    """A GET whose answer is read while it is still being sent, and that can be hung up at any time."""

    def __init__(self, app: FastAPI, path: str) -> None:
        self.body = ""
        self.messages: list[dict[str, Any]] = []
        self._gone = asyncio.Event()
        self._asked = False
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [],
            "client": ("test", 1),
            "server": ("test", 80),
        }
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.messages.append(message)
        self.body += message.get("body", b"").decode()

    async def until(self, condition: Callable[[str], bool], seconds: float = 3) -> str:
        """The body as soon as it fulfils the condition."""
        async with asyncio.timeout(seconds):
            while not condition(self.body):
                await asyncio.sleep(0.005)
        return self.body

    async def hang_up(self) -> None:
        """Disconnect and wait until the application noticed."""
        self._gone.set()
        async with asyncio.timeout(3):
            with suppress(asyncio.CancelledError):
                await self.task
