"""Where each micro-batch goes: Postgres, for the sooner it is seen there, and beside it the tables of the lake."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import psycopg
import pyarrow.compute as pc
from prometheus_client.context_managers import Timer
from pyspark.sql import DataFrame

from domain.contracts import Topic
from spark_jobs.fraud.alerts import Alert, AlertsUndelivered, AlertTopic, alerts
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.pauses import insist
from spark_jobs.registry import RegistryAway, Schemas
from spark_jobs.stream import medallion, metrics
from spark_jobs.stream.batch import TopicBatch, take_apart
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.speed_layer import Committed, SpeedLayer


class SchemaArrived(Exception):
    """A message names a schema that was registered after the query began: it must begin anew, from the same batch."""


@dataclass
class Sink:
    """Writes batches exactly once: each place skips a batch that it already holds."""

    query: str
    topics: Sequence[Topic]
    window: IdentityWindow
    schemas: Schemas
    speed_layer: SpeedLayer
    lake: Lake
    alerts: AlertTopic | None
    """Where purchases of high risk are told; None when no purchases are read."""
    stop: threading.Event
    schema_arrived: bool = False
    _writers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(7, thread_name_prefix="lake"))

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Spark's foreachBatch callback; repeating a batch changes nothing."""
        stream = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
        with self._timed("collect"):
            parts = take_apart(batch.toArrow(), self.topics, self.window)
        self._refuse_new_schemas(parts)
        self._commit(parts, BatchIdentity(str(stream), batch_id), datetime.now(UTC))

    def finish(self, batch: DataFrame, identity: BatchIdentity) -> None:
        """Bring a batch that another stream began to where it is missing; repeating it changes nothing."""
        self._commit(take_apart(batch.toArrow(), self.topics, self.window), identity, datetime.now(UTC))

    def close(self) -> None:
        """Wait for appends under way, so that none of them meets the same batch run again; then let go of Postgres."""
        self._writers.shutdown()
        self.speed_layer.close()

    def _commit(self, parts: list[TopicBatch], identity: BatchIdentity, ingested_at: datetime) -> None:
        with self._timed("announce"):
            insist(self.stop, "postgres", psycopg.OperationalError, lambda: self.speed_layer.announce(parts, identity))
        writing = [self._append(medallion.bronze(part, identity, ingested_at), identity) for part in parts]
        writing.append(self._append(medallion.dead_letters(parts, identity, ingested_at), identity))
        with self._timed("postgres"):
            committed = insist(
                self.stop, "postgres", psycopg.OperationalError, lambda: self.speed_layer.commit(parts, identity)
            )
        metrics.LAST_SUCCESS.labels(self.query).set(time.time())
        with self._timed("lake"):
            writing += [
                self._append(medallion.silver(part, committed.accepted[part.topic.name], identity), identity)
                for part in parts
            ]
            writing.append(self._append(medallion.fraud_scores(committed.scores.rows, identity), identity))
            writing.append(self._writers.submit(self._tell, alerts(committed.scores)))
            for table in writing:
                table.result()
        _count(parts, committed)

    def _timed(self, step: str) -> Timer:
        return metrics.STEP_SECONDS.labels(self.query, step).time()

    def _tell(self, told: list[Alert]) -> None:
        """Alerts wait with their batch until Kafka has taken them."""
        if self.alerts and told:
            topic = self.alerts
            insist(self.stop, "kafka", AlertsUndelivered, lambda: topic.send(told))
            for alert in told:
                metrics.ALERTS.labels(alert["risk_level"]).inc()

    def _append(self, addition: medallion.Addition, identity: BatchIdentity) -> Future[None]:
        return self._writers.submit(self.lake.append, addition.table, addition.rows, identity, addition.partition_by)

    def _refuse_new_schemas(self, parts: list[TopicBatch]) -> None:
        for part in parts:
            if unknown := part.unknown_schema_ids:
                ask = partial(self.schemas.arrived, part.topic, unknown)
                if arrived := insist(self.stop, "schema registry", RegistryAway, ask):
                    self.schema_arrived = True
                    raise SchemaArrived(f"schema {min(arrived)} of {part.topic.name} is new")


def _count(parts: Sequence[TopicBatch], committed: Committed) -> None:
    for part in parts:
        accepted = committed.accepted[part.topic.name]
        outcomes = {
            "accepted": int(accepted.sum()),
            "duplicate": int((~accepted).sum()),
            "dead_letter": part.dead_letters.num_rows,
        }
        for outcome, count in outcomes.items():
            metrics.EVENTS.labels(part.topic.name, outcome).inc(count)
    for row in pc.value_counts(committed.scores.rows.column("risk_level")).to_pylist():
        metrics.SCORED.labels(row["values"]).inc(row["counts"])
    metrics.REVISED.inc(len(committed.scores.revisions))
