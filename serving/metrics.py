"""Prometheus metrics: rate, errors and duration per route, the pool, the age of the data."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.audit import AuditLog
from serving.analytics.feed import KpiFeed
from serving.tallies import Tallies

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

router = APIRouter(include_in_schema=False)


class Metrics:
    """The registry of one application with its request metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.requests = Tallies(
            ("api_requests", "Requests answered."),
            ("api_request_duration_seconds", "From the request's arrival to the first byte of the answer."),
            ("method", "route", "status"),
            BUCKETS,
        )
        self.registry.register(self.requests)

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer; unknown paths and methods share a label, so that nobody can invent series."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.add((method, getattr(scope.get("route"), "path", "unmatched"), status), seconds)


class StateCollector(Collector):
    """Gauges read at the moment of the scrape."""

    def __init__(
        self,
        feed: KpiFeed,
        audit: AuditLog,
        now: Callable[[], datetime],
        pool_stats: Callable[[], dict[str, int]],
    ) -> None:
        self.feed = feed
        self.audit = audit
        self.now = now
        self.pool_stats = pool_stats

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("api_stream_listeners", "Open live streams.", value=self.feed.listeners)
        yield from self._pool()
        yield from self._ages()
        yield from self._audit()

    def _pool(self) -> Iterable[GaugeMetricFamily]:
        stats = self.pool_stats()
        connections = GaugeMetricFamily("api_pool_connections", "Postgres connections by state.", labels=["state"])
        size, free = stats.get("pool_size", 0), stats.get("pool_available", 0)
        for state, count in {"used": size - free, "free": free, "max": stats.get("pool_max", 0)}.items():
            connections.add_metric([state], count)
        yield connections
        waiting = stats.get("requests_waiting", 0)
        yield GaugeMetricFamily("api_pool_waiting", "Requests waiting for a Postgres connection.", value=waiting)

    def _ages(self) -> Iterable[GaugeMetricFamily]:
        freshness = self.feed.freshness()
        times = {
            "api_data_age_seconds": ("Age of the last committed batch.", freshness and freshness.data_through),
            "api_newest_event_age_seconds": ("Age of the newest payment.", freshness and freshness.newest_event_at),
        }
        for name, (meaning, instant) in times.items():
            age = (self.now() - instant).total_seconds() if instant else float("nan")
            yield GaugeMetricFamily(name, f"{meaning} NaN while it cannot be read.", value=age)

    def _audit(self) -> Iterable[Metric]:
        audit = self.audit
        yield GaugeMetricFamily("api_audit_waiting", "Requests not yet in the audit.", value=audit.waiting.qsize())
        yield CounterMetricFamily("api_audit_written", "Requests that reached the audit.", value=audit.written)
        yield CounterMetricFamily("api_audit_dropped", "Requests that the audit lost.", value=audit.dropped)


class MetricsMiddleware:
    """Times every HTTP request up to its first byte, so that an open live stream does not count as a slow one."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        answered = False

        async def observed_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self.metrics.observe(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, receive, observed_send)
        except Exception:
            if not answered:
                self.metrics.observe(scope, 500, time.perf_counter() - began)
            raise


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Metrics in the Prometheus text format."""
    registry: CollectorRegistry = request.app.state.metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
