"""The parts of decisions put together, and their beginning and end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from serving.access.audit import AuditLog
from serving.access.keys import KeyRing
from serving.decisions import experiments, rules
from serving.decisions.cache import Cache
from serving.decisions.door import DecisionDoor
from serving.decisions.endpoints import Deciding
from serving.decisions.experiments import Experiment
from serving.decisions.log import InferenceLog, KafkaSink, PostgresSink, Sink
from serving.decisions.metrics import DecisionMetrics, ModelsCollector, Recorded
from serving.decisions.registry import Registry
from serving.decisions.scoring import Scoring
from serving.decisions.shadows import ShadowQueue
from serving.decisions.store import ModelStore, Source
from serving.decisions.watched import Watched
from serving.metrics import Metrics
from serving.settings import ApiSettings

log = logging.getLogger(__name__)

FILES_SECONDS = 2.0
"""How often rules and experiments are looked at."""
REGISTRY_SECONDS = 5.0


@dataclass(frozen=True)
class Decisions:
    """What the application needs of decisions."""

    door: DecisionDoor
    store: ModelStore
    record: InferenceLog
    shadows: ShadowQueue
    rules: Watched[Any]
    running_experiments: Watched[dict[str, Experiment]]
    client: httpx.AsyncClient | None

    @property
    def files(self) -> tuple[Watched[Any], ...]:
        """What people change while the program runs."""
        return self.rules, self.running_experiments

    @property
    def experiments(self) -> dict[str, Experiment]:
        """Those that take part in decisions now, by model."""
        return self.running_experiments.content

    @classmethod
    def over(
        cls,
        settings: ApiSettings,
        metrics: Metrics,
        keys: KeyRing,
        audit: AuditLog,
        clock: Callable[[], datetime],
        sinks: Sequence[Sink],
        source: Source | None = None,
    ) -> "Decisions":
        """By the settings; `source` takes the place of MLflow. Raises BadFile when rules or experiments are wrong."""
        counted = DecisionMetrics(metrics.registry)
        policy = Watched(settings.decisions_file, rules.parse)
        running = Watched(settings.experiments_file, experiments.parse)
        uri = settings.mlflow_tracking_uri or ""
        client = httpx.AsyncClient(timeout=REGISTRY_SECONDS) if uri.startswith(("http://", "https://")) else None
        store = ModelStore(
            source or (Registry(uri, client) if client else None),
            Cache(settings.model_cache_dir),
            clock,
            settings.model_poll_seconds,
            lambda model, alias: counted.reload_failures.labels(model, alias).inc(),
        )
        record, shadows = InferenceLog(sinks), ShadowQueue()
        scoring = Scoring(lambda: store.models, lambda: running.content, record, shadows, counted, clock, store.why)
        deciding = Deciding(scoring, lambda: policy.content)
        counting: list[Recorded] = [record, *record.sinks, shadows]
        metrics.registry.register(
            ModelsCollector(lambda: store.models, counting, lambda: store.failures, lambda: store.reachable, clock)
        )
        door = DecisionDoor(deciding.endpoints, keys, settings.keys_required, metrics, audit, clock)
        return cls(door, store, record, shadows, policy, running, client)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Once entered, versions are loaded and compiled code is warm; at the end the record is written out."""
        async with AsyncExitStack() as stack:
            if self.client is not None:
                await stack.enter_async_context(self.client)
            await self.store.start()
            stack.push_async_callback(self.store.close)
            self.record.start()
            stack.push_async_callback(self.record.close)
            self.shadows.start()
            stack.push_async_callback(self.shadows.close)
            watching = asyncio.create_task(self._watch(), name="decision-files")
            try:
                yield
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(FILES_SECONDS)
            for one in self.files:
                one.refresh()


def default_sinks(settings: ApiSettings) -> list[Sink]:
    """Postgres, and Kafka where it is set."""
    sinks: list[Sink] = [PostgresSink(settings.database_url.get_secret_value())]
    if settings.kafka_bootstrap_servers:
        sinks.append(KafkaSink(settings.kafka_bootstrap_servers))
    return sinks
