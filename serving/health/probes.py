"""How each dependency is asked whether it is well."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import httpx
from confluent_kafka.admin import AdminClient

from serving.analytics.feed import KpiFeed
from serving.analytics.repository import Analytics
from serving.decisions.store import ModelStore
from serving.decisions.versions import Pair
from serving.decisions.watched import Watched
from serving.health.checks import Finding, Probe, Status

KAFKA_SECONDS = 1.5
"""Below the check's own limit, so that the thread of a check that gave up ends soon after."""


def postgres_probe(analytics: Analytics) -> Probe:
    """Takes a connection of the pool, as a request would."""

    async def probe() -> Finding:
        await analytics.ping()
        return Finding("answers queries")

    return probe


def kafka_probe(bootstrap_servers: str) -> Probe:
    """Asks a broker for the cluster's metadata; the client is made at the first check and kept."""
    quiet = logging.getLogger("serving.health.kafka")
    quiet.setLevel(logging.CRITICAL)
    client: list[AdminClient] = []

    def brokers() -> int:
        if not client:
            client.append(AdminClient({"bootstrap.servers": bootstrap_servers}, logger=quiet))
        return len(client[0].list_topics(timeout=KAFKA_SECONDS).brokers)

    async def probe() -> Finding:
        try:
            return Finding(f"{await asyncio.to_thread(brokers)} broker(s)")
        except Exception as error:
            raise ConnectionError(f"no broker answers at {bootstrap_servers}") from error

    return probe


def registry_probe(url: str, client: httpx.AsyncClient) -> Probe:
    """Lists the registry's subjects."""

    async def probe() -> Finding:
        try:
            response = await client.get(f"{url.rstrip('/')}/subjects")
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise ConnectionError(f"no registry answers at {url}: {error}") from error
        return Finding(f"{len(response.json())} subject(s)")

    return probe


def stream_probe(feed: KpiFeed, now: Callable[[], datetime], stale_after: float) -> Probe:
    """Compares the last committed batch with the clock; asks nobody, the KPI feed has read it."""

    async def probe() -> Finding:
        freshness = feed.freshness()
        if freshness is None:
            failure = feed.latest.failure if feed.latest else None
            return Finding(str(failure) if failure else "no reading yet", Status.DOWN)
        if freshness.data_through is None:
            return Finding("no batch committed yet: start the stream and send events", Status.DEGRADED)
        age = (now() - freshness.data_through).total_seconds()
        status = Status.UP if age <= stale_after else Status.DEGRADED
        return Finding(f"last batch committed {max(age, 0):.1f} s ago", status)

    return probe


def models_probe(store: ModelStore, files: Sequence[Watched[Any]]) -> Probe:
    """Which versions are served, since when, and why not others; asks nobody, the store has looked."""

    async def probe() -> Finding:
        served = [_served(model, pair) for model, pair in store.models.items()]
        wrong = [f"{alias} of {model} is not taken: {reason}" for (model, alias), reason in store.failures.items()]
        wrong += [f"{one.path.name} is not in force: {one.failure}" for one in files if one.failure]
        if store.reachable is False:
            wrong.append("MLflow does not answer; the last good versions stay")
        if store.source is None and not served:
            return Finding("MLFLOW_TRACKING_URI is not set to a server", Status.UNCHECKED)
        detail = "; ".join([*served, *wrong]) or "no model has a champion yet: train and promote"
        return Finding(detail, Status.DEGRADED if wrong else Status.UP)

    return probe


def _served(model: str, pair: Pair) -> str:
    challenger = f" and {pair.challenger.number} as challenger" if pair.challenger else ""
    return f"{model} {pair.champion.number}{challenger} since {pair.champion.since:%Y-%m-%dT%H:%M:%SZ}"


def not_configured(variable: str) -> Probe:
    """For a dependency whose address was not given: nothing to check, nothing wrong."""

    async def probe() -> Finding:
        return Finding(f"{variable} is not set", Status.UNCHECKED)

    return probe
