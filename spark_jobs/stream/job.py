"""The job: one query from Kafka to Postgres and the lake, kept alive until it is told to stop."""

import logging
import threading
from functools import partial, reduce
from pathlib import Path

from py4j.protocol import Py4JNetworkError  # type: ignore[import-untyped]
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from domain.contracts import Topic, topic_settings
from spark_jobs.lake import Lake
from spark_jobs.pauses import Pauses, Stopped
from spark_jobs.records import Lateness, silver_records, subscribed
from spark_jobs.registry import RegistryAway, Schemas
from spark_jobs.session import make_session
from spark_jobs.settings import StreamSettings
from spark_jobs.stream import metrics
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.sink import Sink
from spark_jobs.stream.speed_layer import SpeedLayer

log = logging.getLogger("stream")

QUERY = "money"


def source(spark: SparkSession, topic: Topic, settings: StreamSettings) -> DataFrame:
    """The messages of one topic as they come."""
    options = {
        "kafka.bootstrap.servers": settings.kafka_bootstrap_servers,
        "subscribe": topic.name,
        "startingOffsets": settings.starting_offsets,
        "maxOffsetsPerTrigger": str(max(1, settings.max_offsets_per_trigger // len(settings.topics))),
        "failOnDataLoss": "true",
        "kafka.max.partition.fetch.bytes": str(topic_settings()["max_message_bytes"]),
    }
    messages = spark.readStream.format("kafka").options(**options).load()
    return messages.select("topic", "partition", "offset", F.col("timestamp").alias("arrived_at"), "key", "value")


def plan(spark: SparkSession, settings: StreamSettings, schemas: Schemas) -> DataFrame:
    """Every message of every topic with its Silver row. No state: repetitions are told apart in the sink."""
    records = []
    for topic in subscribed(settings.topics):
        writers = schemas.writers(topic)
        if not writers:
            raise RegistryAway(f"no schema is registered as {topic.subject}: run `python -m producer init`")
        messages = source(spark, topic, settings)
        records.append(silver_records(messages, topic, writers, Lateness(settings.watermark_seconds)))
    return reduce(partial(DataFrame.unionByName, allowMissingColumns=True), records)


class Stream:
    """The query and its sinks. After a failure it begins anew from its checkpoint, in the same process."""

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self._stop = threading.Event()
        self._query: StreamingQuery | None = None
        self._schemas = Schemas(settings.schema_registry_url, Path(settings.checkpoint_dir) / "schemas")

    def stop(self) -> None:
        """Ask for an end; the batch under way is dropped and comes again at the next start."""
        self._stop.set()

    def run(self) -> None:
        """Stream until told to stop. Raises Py4JNetworkError when the JVM is gone: start the process again then."""
        spark = make_session(f"stream-{QUERY}", self.settings)
        spark.streams.addListener(metrics.ProgressListener())
        pauses = Pauses(self._stop)
        window = IdentityWindow(Path(self.settings.state_dir), self.settings.dedup_window_seconds)
        while not self._stop.is_set():
            sink = self._sink(window)
            try:
                self._query = self._start(spark, sink)
                pauses = Pauses(self._stop)
                self._watch(self._query)
            except Stopped:
                break
            except (RegistryAway, StreamingQueryException) as error:
                self._recover(error, sink, pauses)
            finally:
                metrics.UP.set(0)
                sink.close()
        window.close()
        log.info("stopped")

    def _sink(self, window: IdentityWindow) -> Sink:
        return Sink(
            topics=subscribed(self.settings.topics),
            window=window,
            schemas=self._schemas,
            speed_layer=SpeedLayer(self.settings.database_url),
            lake=Lake(self.settings.lake_uri),
            stop=self._stop,
        )

    def _start(self, spark: SparkSession, sink: Sink) -> StreamingQuery:
        writer = plan(spark, self.settings, self._schemas).writeStream.foreachBatch(sink.write)
        return (
            writer.queryName(QUERY)
            .option("checkpointLocation", f"{self.settings.checkpoint_dir.rstrip('/')}/{QUERY}")
            .trigger(processingTime=f"{self.settings.trigger_interval_ms} milliseconds")
            .start()
        )

    def _watch(self, query: StreamingQuery) -> None:
        log.info("streaming %s as query %s", ", ".join(self.settings.topics), query.id)
        while not self._stop.is_set():
            if query.awaitTermination(1):
                return
        query.stop()

    def _recover(self, error: Exception, sink: Sink, pauses: Pauses) -> None:
        if isinstance(error.__cause__, Py4JNetworkError):
            raise error
        if sink.schema_arrived:
            log.info("a new schema was registered; beginning the query anew to read it")
            return
        pauses.after("stream", error)
