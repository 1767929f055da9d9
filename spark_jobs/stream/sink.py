"""Where each micro-batch goes: Postgres, for the sooner it is seen there, and beside it the tables of the lake."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import psycopg
from pyspark.sql import DataFrame

from domain.contracts import Topic
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.pauses import insist
from spark_jobs.registry import RegistryAway, Schemas
from spark_jobs.stream import medallion, metrics
from spark_jobs.stream.batch import Mask, TopicBatch, take_apart
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.speed_layer import SpeedLayer


class SchemaArrived(Exception):
    """A message names a schema that was registered after the query began: it must begin anew, from the same batch."""


@dataclass
class Sink:
    """Writes batches exactly once: each place skips a batch that it already holds."""

    topics: Sequence[Topic]
    window: IdentityWindow
    schemas: Schemas
    speed_layer: SpeedLayer
    lake: Lake
    stop: threading.Event
    schema_arrived: bool = False
    _writers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(5, thread_name_prefix="lake"))

    def write(self, batch: DataFrame, batch_id: int) -> None:
        """Spark's foreachBatch callback; repeating a batch changes nothing."""
        stream = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
        with metrics.STEP_SECONDS.labels("collect").time():
            parts = take_apart(batch.toArrow(), self.topics, self.window)
        self._refuse_new_schemas(parts)
        self._commit(parts, BatchIdentity(str(stream), batch_id), datetime.now(UTC))

    def close(self) -> None:
        """Wait for appends under way, so that none of them meets the same batch run again; then let go of Postgres."""
        self._writers.shutdown()
        self.speed_layer.close()

    def _commit(self, parts: list[TopicBatch], identity: BatchIdentity, ingested_at: datetime) -> None:
        writing = [self._append(medallion.bronze(part, identity, ingested_at), identity) for part in parts]
        writing.append(self._append(medallion.dead_letters(parts, identity, ingested_at), identity))
        with metrics.STEP_SECONDS.labels("postgres").time():
            accepted = insist(
                self.stop, "postgres", psycopg.OperationalError, lambda: self.speed_layer.commit(parts, identity)
            )
        metrics.LAST_SUCCESS.set(time.time())
        with metrics.STEP_SECONDS.labels("lake").time():
            writing += [
                self._append(medallion.silver(part, accepted[part.topic.name], identity), identity) for part in parts
            ]
            for table in writing:
                table.result()
        for part in parts:
            _count(part, accepted[part.topic.name])

    def _append(self, addition: medallion.Addition, identity: BatchIdentity) -> Future[None]:
        return self._writers.submit(self.lake.append, addition.table, addition.rows, identity, addition.partition_by)

    def _refuse_new_schemas(self, parts: list[TopicBatch]) -> None:
        for part in parts:
            for schema_id in sorted(part.unknown_schema_ids):
                ask = partial(self.schemas.is_new, part.topic, schema_id)
                if insist(self.stop, "schema registry", RegistryAway, ask):
                    self.schema_arrived = True
                    raise SchemaArrived(f"schema {schema_id} of {part.topic.name} is new")


def _count(part: TopicBatch, accepted: Mask) -> None:
    outcomes = {
        "accepted": int(accepted.sum()),
        "duplicate": int((~accepted).sum()),
        "dead_letter": part.dead_letters.num_rows,
    }
    for outcome, count in outcomes.items():
        metrics.EVENTS.labels(part.topic.name, outcome).inc(count)
