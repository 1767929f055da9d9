"""What the stream tells Prometheus. Spark commits no consumer-group offsets, so lag is measured here."""

import json

from prometheus_client import Counter, Gauge, Histogram
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

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
LAST_SUCCESS = Gauge(
    "stream_last_success_timestamp_seconds", "When the newest batch was committed, Unix time.", ["query"]
)
INPUT_RATE = Gauge("stream_input_rows_per_second", "Messages arriving at the query per second.", ["query"])
PROCESSED_RATE = Gauge("stream_processed_rows_per_second", "Messages the query works through per second.", ["query"])
LAG = Gauge("stream_lag_messages", "Messages in Kafka that no batch has taken yet.", ["topic"])


SCORED = Counter("fraud_scored_total", "Purchases scored, by level.", ["risk_level"])
REVISED = Counter("fraud_revised_total", "Scores whose velocity was revised because a late purchase came.")
ALERTS = Counter("fraud_alerts_total", "Alerts delivered to Kafka, by level.", ["risk_level"])
REVISIONS_PENDING = Gauge("fraud_revisions_pending", "Revised scores that the lake has not heard of yet.")


class ProgressListener(StreamingQueryListener):
    """Turns Spark's progress reports into metrics."""

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        UP.labels(event.name).set(1)

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        progress = event.progress
        BATCH_SECONDS.labels(progress.name).observe(progress.durationMs.get("triggerExecution", 0) / 1000)
        INPUT_RATE.labels(progress.name).set(progress.inputRowsPerSecond)
        PROCESSED_RATE.labels(progress.name).set(progress.processedRowsPerSecond)
        for source in progress.sources:
            for topic, behind in _lag(source.endOffset, source.latestOffset).items():
                LAG.labels(topic).set(behind)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        """Nothing arrived; the gauges stay as they are."""

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        """The event does not name the query; the stream itself says that it is down."""


def _lag(end: str, latest: str) -> dict[str, int]:
    """Messages per topic between two offset reports of Spark's Kafka source, both JSON {topic: {partition: offset}}."""
    reached, newest = _offsets(end), _offsets(latest)
    return {
        topic: sum(offset - reached.get(topic, {}).get(partition, 0) for partition, offset in partitions.items())
        for topic, partitions in newest.items()
    }


def _offsets(report: str) -> dict[str, dict[str, int]]:
    """What a report holds: nothing while Spark has none to give, which PySpark prints as "None"."""
    offsets: dict[str, dict[str, int]] = json.loads(report) if report.startswith("{") else {}
    return offsets
