"""What the stream tells Prometheus. Spark commits no consumer-group offsets, so lag is measured here."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from prometheus_client import Counter, Gauge, Histogram
from py4j.java_gateway import java_import  # type: ignore[import-untyped]
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

UP = Gauge("stream_up", "1 while the query runs, 0 while it is down or starting.", ["query"])
EVENTS = Counter("stream_events_total", "Messages processed, by what became of them.", ["topic", "outcome"])
STEP_SECONDS = Histogram(
    "stream_step_duration_seconds",
    "Time of each step of a batch; `scores` is part of `postgres`.",
    ["query", "step"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
BATCH_SECONDS = Histogram(
    "stream_batch_duration_seconds",
    "Time of a whole batch, Spark's own bookkeeping included.",
    ["query"],
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30),
)
PHASE_SECONDS = Counter(
    "stream_phase_seconds_total",
    "Time by Spark's own phases of a batch; the steps are in addBatch.",
    ["query", "phase"],
)
LAST_SUCCESS = Gauge(
    "stream_last_success_timestamp_seconds", "When the newest batch was committed, Unix time.", ["query"]
)
INPUT_RATE = Gauge("stream_input_rows_per_second", "Messages arriving at the query per second.", ["query"])
PROCESSED_RATE = Gauge("stream_processed_rows_per_second", "Messages the query works through per second.", ["query"])
LAG = Gauge("stream_lag_messages", "Messages in Kafka that no finished batch holds.", ["topic"])


SCORED = Counter("fraud_scored_total", "Purchases scored, by level.", ["risk_level"])
REVISED = Counter("fraud_revised_total", "Scores whose velocity was revised because a late purchase came.")
ALERTS = Counter("fraud_alerts_total", "Alerts delivered to Kafka, by level.", ["risk_level"])
REVISIONS_PENDING = Gauge("fraud_revisions_pending", "Revised scores that the lake has not heard of yet.")


def listen(spark: SparkSession) -> None:
    """Have Spark report the progress of every query of the session."""
    gateway: Any = spark.sparkContext._gateway
    java_import(gateway.jvm, "org.apache.spark.sql.streaming.*")
    ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
    spark.streams._jsqm.addListener(gateway.jvm.PythonStreamingQueryListenerWrapper(ProgressListener()))


class ProgressListener:
    """Turns Spark's progress reports into metrics.

    PySpark's own listener asks the JVM for each field of a report by itself, hundreds of times a batch. This one asks
    for its JSON.
    """

    def onQueryStarted(self, event: Any) -> None:
        UP.labels(event.name()).set(1)

    def onQueryProgress(self, event: Any) -> None:
        record(json.loads(event.progress().json()))

    def onQueryIdle(self, event: Any) -> None:
        """Nothing arrived; the gauges stay as they are."""

    def onQueryTerminated(self, event: Any) -> None:
        """The event does not name the query; the stream itself says that it is down."""

    class Java:
        """What py4j is to take an instance for."""

        implements: ClassVar = ["org.apache.spark.sql.streaming.PythonStreamingQueryListener"]


def record(progress: Mapping[str, Any]) -> None:
    """Set the metrics of a query by Spark's report of its newest batch, which leaves out rates that are no number."""
    query = progress["name"]
    phases = dict(progress["durationMs"])
    BATCH_SECONDS.labels(query).observe(phases.pop("triggerExecution", 0) / 1000)
    for phase, milliseconds in phases.items():
        PHASE_SECONDS.labels(query, phase).inc(milliseconds / 1000)
    INPUT_RATE.labels(query).set(progress.get("inputRowsPerSecond", 0.0))
    PROCESSED_RATE.labels(query).set(progress.get("processedRowsPerSecond", 0.0))
