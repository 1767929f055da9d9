"""The application factory: the one place where real adapters or given ones are put together."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from serving import metrics, problems
from serving.access import routes as access_routes
from serving.access.audit import AuditLog, Writer
from serving.access.keys import KeyRing, Keys
from serving.access.middleware import AccessMiddleware, AuditMiddleware
from serving.access.store import AuditWriter, PostgresAudit, PostgresKeys
from serving.analytics import routes as analytics_routes
from serving.analytics.feed import KpiFeed
from serving.analytics.reports import routes as report_routes
from serving.analytics.reports.sharing import Answer, Answers, SharedCall
from serving.analytics.repository import Analytics, PostgresAnalytics
from serving.analytics.shelf import ShelfMiddleware
from serving.console import routes as console_routes
from serving.crowd import CrowdMiddleware
from serving.database import Database, Pool, create_pool
from serving.decisions import document as document_of_decisions
from serving.decisions.assembly import Decisions, default_sinks
from serving.decisions.log import Sink
from serving.decisions.store import Source
from serving.dependencies import Clock
from serving.experiments import routes as experiment_routes
from serving.experiments.repository import Experiments, PostgresExperiments
from serving.health import probes
from serving.health import routes as health_routes
from serving.health.checks import Check, Health
from serving.security_headers import SecurityHeadersMiddleware
from serving.settings import ApiSettings

DESCRIPTION = """Approvals, declines and their trends, seconds after each payment.

Amounts are JSON numbers in US dollars rounded to cents unless a field says otherwise; rates are ratios 0..1;
times are ISO 8601 in UTC. Errors are problem details (RFC 9457, `application/problem+json`)."""


@cache
def _trust() -> ssl.SSLContext:
    """Certificates to trust: loading them takes longer than all the rest, and one set serves the whole process."""
    return httpx.create_ssl_context()


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Application(FastAPI):
    """FastAPI behind the door of decisions, with a document that knows those and the problem responses."""

    decisions: Decisions

    def openapi(self) -> dict[str, Any]:
        document = document_of_decisions.describe(super().openapi(), self.decisions.door.endpoints.values())
        return problems.describe(document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.decisions.door.knows(scope):
            await self.decisions.door(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    settings: ApiSettings,
    analytics: Analytics | None = None,
    health: Health | None = None,
    clock: Clock = utc_now,
    keys: Keys | None = None,
    audit_writer: Writer | None = None,
    experiments: Experiments | None = None,
    models: Source | None = None,
    inference_sinks: Sequence[Sink] | None = None,
) -> FastAPI:
    """The application; opens nothing until its lifespan starts. Given adapters take the place of the real ones."""
    pool = create_pool(settings)
    database = Database(pool)
    store = analytics or PostgresAnalytics(database)
    # Our own /docs: the built-in one loads its script from elsewhere.
    app = Application(
        title="Payments intelligence",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.pool = None if analytics else pool
    app.state.analytics = store
    app.state.progress = SharedCall(store.progress)
    app.state.answers = Answers[Answer]()
    app.state.clock = clock
    app.state.experiments = experiments or PostgresExperiments(database)
    app.state.feed = KpiFeed(store.kpis, clock, settings.kpi_poll_seconds)
    app.state.http = httpx.AsyncClient(timeout=settings.health_timeout_seconds, verify=_trust())
    app.state.audit = PostgresAudit(database)
    app.state.audit_log = AuditLog(audit_writer or AuditWriter(settings.database_url.get_secret_value()))
    key_ring = KeyRing(keys or PostgresKeys(database), clock, settings.key_cache_seconds)
    app.state.metrics = metrics.Metrics()
    sinks = default_sinks(settings) if inference_sinks is None else inference_sinks
    audit_log = app.state.audit_log
    app.decisions = Decisions.over(settings, app.state.metrics, key_ring, audit_log, clock, sinks, models)
    app.state.health = health or _health(app, settings)
    app.add_middleware(ShelfMiddleware, seconds=settings.answers_kept_seconds)
    app.add_middleware(AccessMiddleware, keys=key_ring, is_key_required=settings.keys_required)
    # Inside the record, so that a refusal is in it too; outside of what looks keys up.
    app.add_middleware(CrowdMiddleware, most=settings.requests_at_once)
    app.add_middleware(AuditMiddleware, audit=app.state.audit_log, clock=clock)
    _install_metrics(app, pool)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(SecurityHeadersMiddleware)
    problems.install(app)
    parts = (analytics_routes, report_routes, experiment_routes, access_routes, health_routes, metrics, console_routes)
    for part in parts:
        app.include_router(part.router)
    app.mount("/static", console_routes.assets())
    return app


@asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.state.http)
        pool: Pool | None = app.state.pool
        if pool is not None:
            await pool.open(wait=False)
            stack.push_async_callback(pool.close)
        app.state.audit_log.start()
        stack.push_async_callback(app.state.audit_log.close)
        await stack.enter_async_context(app.decisions.running())
        app.state.feed.start()
        stack.push_async_callback(app.state.feed.close)
        yield


def _install_metrics(app: FastAPI, pool: Pool) -> None:
    collector = metrics.StateCollector(app.state.feed, app.state.audit_log, app.state.clock, pool.get_stats)
    app.state.metrics.registry.register(collector)
    app.add_middleware(metrics.MetricsMiddleware, metrics=app.state.metrics)


def _health(app: Application, settings: ApiSettings) -> Health:
    kafka, registry = settings.kafka_bootstrap_servers, settings.schema_registry_url
    stale_after = settings.stale_after_seconds
    found = {
        "postgres": probes.postgres_probe(app.state.analytics),
        "kafka": probes.kafka_probe(kafka) if kafka else probes.not_configured("KAFKA_BOOTSTRAP_SERVERS"),
        "schema_registry": probes.registry_probe(registry, app.state.http)
        if registry
        else probes.not_configured("SCHEMA_REGISTRY_URL"),
        "stream": probes.stream_probe(app.state.feed, app.state.clock, stale_after),
        "models": probes.models_probe(app.decisions.store, app.decisions.files),
    }
    timeout = settings.health_timeout_seconds
    return Health([Check(name, probe, required=name == "postgres", timeout=timeout) for name, probe in found.items()])
