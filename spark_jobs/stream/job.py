"""The job: its queries from Kafka to Postgres and the lake, each kept alive until the job is told to stop."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

from py4j.protocol import Py4JJavaError, Py4JNetworkError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from domain.contracts import Channel, Topic, topic_settings
from spark_jobs.fraud.alerts import CHANNEL, AlertTopic
from spark_jobs.fraud.revisions import Revisions
from spark_jobs.lake import Lake
from spark_jobs.pauses import Pauses, Stopped
from spark_jobs.records import Lateness, silver_records, subscribed
from spark_jobs.registry import RegistryAway, Schemas
from spark_jobs.session import make_session
from spark_jobs.settings import StreamSettings
from spark_jobs.stream import metrics
from spark_jobs.stream.checkpoint import next_positions
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.lag import Lag
from spark_jobs.stream.rehearsal import rehearse
from spark_jobs.stream.shards import NotReady, Reading, Shard, Unfinished
from spark_jobs.stream.sink import Sink
from spark_jobs.stream.speed_layer import PURCHASES, SpeedLayer

log = logging.getLogger("stream")

MONEY, MESSAGES = "money", "messages"
MESSAGE_TOPICS = frozenset({"customer.messages"})
_LOOK_FOR_PARTITIONS_SECONDS = 10.0
_MEASURE_LAG_SECONDS = 5.0


@dataclass(frozen=True)
class QueryPlan:
    """A query with a checkpoint and a pace of its own, so that its trouble is not another's."""

    name: str
    topics: tuple[Topic, ...]
    trigger_interval_ms: int


def queries(settings: StreamSettings) -> list[QueryPlan]:
    """What customers write is read apart from the money, and at leisure."""
    topics = subscribed(settings.topics)
    parts = {
        MONEY: QueryPlan(
            MONEY, tuple(one for one in topics if one.name not in MESSAGE_TOPICS), settings.trigger_interval_ms
        ),
        MESSAGES: QueryPlan(
            MESSAGES, tuple(one for one in topics if one.name in MESSAGE_TOPICS), settings.messages_interval_ms
        ),
    }
    return [part for part in parts.values() if part.topics]


def source(spark: SparkSession, topic: Topic, settings: StreamSettings, reading: Reading, most: int) -> DataFrame:
    """The messages of one topic as they come, at most so many in a batch."""
    options = {
        **_kafka(settings),
        **reading.options(topic.name, settings.starting_offsets),
        "maxOffsetsPerTrigger": str(most),
    }
    return _messages(spark.readStream.format("kafka").options(**options).load())


def again(spark: SparkSession, topic: Topic, settings: StreamSettings, batch: Unfinished) -> DataFrame:
    """The messages of one topic in a batch that another stream began."""
    options = batch.options(topic.name)
    everything = spark.read.format("kafka").options(**_kafka(settings), **(options or {"subscribe": topic.name})).load()
    return _messages(everything if options else everything.limit(0))


def _kafka(settings: StreamSettings) -> dict[str, str]:
    return {
        "kafka.bootstrap.servers": settings.kafka_bootstrap_servers,
        "failOnDataLoss": "true",
        "kafka.max.partition.fetch.bytes": str(topic_settings()["max_message_bytes"]),
    }


def _messages(rows: DataFrame) -> DataFrame:
    return rows.select("topic", "partition", "offset", F.col("timestamp").alias("arrived_at"), "key", "value")


def plan(
    topics: tuple[Topic, ...], settings: StreamSettings, schemas: Schemas, messages: Callable[[Topic], DataFrame]
) -> DataFrame:
    """Every message of these topics with its Silver row. No state: repetitions are told apart in the sink."""
    lateness = Lateness(settings.watermark_seconds)
    records = [silver_records(messages(topic), topic, _registered(schemas, topic), lateness) for topic in topics]
    return reduce(partial(DataFrame.unionByName, allowMissingColumns=True), records)


def _registered(schemas: Schemas, channel: Channel) -> dict[int, str]:
    writers = schemas.writers(channel)
    if not writers:
        raise RegistryAway(f"no schema is registered as {channel.subject}: run `python -m producer init`")
    return writers


class KeptQuery:
    """One query and its sinks. After a failure it begins anew from its checkpoint, in the same process."""

    def __init__(self, spark: SparkSession, part: QueryPlan, settings: StreamSettings, stop: threading.Event) -> None:
        self._spark = spark
        self._plan = part
        self._settings = settings
        self._stop = stop
        self._checkpoint = settings.own(settings.checkpoint_dir) / part.name
        self._schemas = Schemas(settings.schema_registry_url, settings.own(settings.checkpoint_dir) / "schemas")
        self._shard = Shard(settings, part.topics, self._checkpoint)
        self._lag = Lag(settings.kafka_bootstrap_servers, self._checkpoint)

    def run(self) -> None:
        """Stream until told to stop. Raises Py4JNetworkError when the JVM is gone: start the process again then."""
        pauses = Pauses(self._stop)
        state = self._settings.own(self._settings.state_dir) / self._plan.name
        window = IdentityWindow(state, self._settings.dedup_window_seconds)
        while not self._stop.is_set():
            sink: Sink | None = None
            try:
                sink = self._sink(window)
                reading = self._take(sink)
                if next_positions(self._checkpoint) is None:
                    rehearse(self._spark, partial(_registered, self._schemas), self._records)
                query = self._start(sink, reading)
                pauses = Pauses(self._stop)
                self._watch(query, reading)
            except Stopped:
                break
            except (NotReady, RegistryAway, StreamingQueryException) as error:
                self._recover(error, sink, pauses)
            finally:
                metrics.UP.labels(self._plan.name).set(0)
                if sink:
                    sink.close()
        self._shard.close()
        window.close()

    def _sink(self, window: IdentityWindow) -> Sink:
        return Sink(
            query=self._plan.name,
            topics=self._plan.topics,
            window=window,
            schemas=self._schemas,
            speed_layer=SpeedLayer(self._settings.database_url, self._plan.name),
            lake=Lake(self._settings.lake_uri),
            alerts=self._alert_topic(),
            stop=self._stop,
        )

    def _alert_topic(self) -> AlertTopic | None:
        if all(topic.name != PURCHASES for topic in self._plan.topics):
            return None
        return AlertTopic(self._settings.kafka_bootstrap_servers, _registered(self._schemas, CHANNEL))

    def _take(self, sink: Sink) -> Reading:
        """Claim the partitions, and finish what others began in them."""
        reading = self._shard.take()
        for batch in reading.unfinished:
            self._finish(sink, batch)
        return self._shard.take() if reading.unfinished else reading

    def _finish(self, sink: Sink, batch: Unfinished) -> None:
        what = f"batch {batch.identity.batch_id} of stream {batch.identity.stream}"
        log.info("finishing %s", what)
        records = self._records(lambda topic: again(self._spark, topic, self._settings, batch))
        try:
            sink.finish(records, batch.identity)
        except (PySparkException, Py4JJavaError) as error:
            raise NotReady(f"{what} cannot be read from Kafka again: {error}") from error

    def _records(self, messages: Callable[[Topic], DataFrame]) -> DataFrame:
        return plan(self._plan.topics, self._settings, self._schemas, messages)

    def _start(self, sink: Sink, reading: Reading) -> StreamingQuery:
        most = max(1, self._settings.max_offsets_per_trigger // len(self._plan.topics))
        records = self._records(lambda topic: source(self._spark, topic, self._settings, reading, most))
        return (
            records.writeStream.foreachBatch(sink.write)
            .queryName(self._plan.name)
            .option("checkpointLocation", str(self._checkpoint))
            .trigger(processingTime=f"{self._plan.trigger_interval_ms} milliseconds")
            .start()
        )

    def _watch(self, query: StreamingQuery, reading: Reading) -> None:
        names = ", ".join(topic.name for topic in self._plan.topics)
        log.info("streaming %s as query %s", names, query.id)
        looked_at = measured_at = time.monotonic()
        while not self._stop.is_set():
            if query.awaitTermination(1):
                return
            if time.monotonic() > measured_at + _MEASURE_LAG_SECONDS:
                self._lag.measure(reading.partitions, reading.begins_at)
                measured_at = time.monotonic()
            if time.monotonic() > looked_at + _LOOK_FOR_PARTITIONS_SECONDS:
                looked_at = time.monotonic()
                if self._shard.has_changed(reading):
                    log.info("the partitions of %s have changed; beginning the query anew", names)
                    break
        self._end(query)

    def _end(self, query: StreamingQuery) -> None:
        """Interrupt the query, and wait for its batch: two queries must not share a checkpoint.

        Raises Py4JJavaError when the whole process is to stop and the batch under way takes too long.
        """
        while True:
            try:
                query.stop()
                return
            except Py4JJavaError as error:
                if self._stop.is_set() or "TimeoutException" not in str(error):
                    raise
                log.info("the batch of query %s takes long to end; waiting for it", query.id)

    def _recover(self, error: Exception, sink: Sink | None, pauses: Pauses) -> None:
        if isinstance(error.__cause__, Py4JNetworkError):
            raise error
        if sink and sink.schema_arrived:
            log.info("a new schema was registered; beginning the query anew to read it")
            return
        pauses.after(self._plan.name, error)


class Stream:
    """All queries of the job in one Spark session."""

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Ask for an end; the batches under way are dropped and come again at the next start."""
        self._stop.set()

    def run(self) -> None:
        """Stream until told to stop. Raises what ended a query for good: start the process again then."""
        spark = make_session("stream", self.settings)
        metrics.listen(spark)
        lake = Lake(self.settings.lake_uri)
        revisions = Revisions(self.settings.database_url, lake, self.settings.revisions_interval_seconds, self._stop)
        kept = [KeptQuery(spark, part, self.settings, self._stop) for part in queries(self.settings)]
        threads = [revisions, *(threading.Thread(target=self._keep, args=[query]) for query in kept)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure:
            raise self._failure
        log.info("stopped")

    def _keep(self, query: KeptQuery) -> None:
        try:
            query.run()
        except BaseException as error:
            self._failure = error
            self._stop.set()
