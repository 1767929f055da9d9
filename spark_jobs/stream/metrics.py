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

UP = Gauge("stream_up", "1 while the query runs, 0 while it is down or starting.")
EVENTS = Counter("stream_events_total", "Messages processed, by what became of them.", ["topic", "outcome"])
STEP_SECONDS = Histogram(
    "stream_step_duration_seconds",
    "Time of each step of a batch.",
    ["step"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
BATCH_SECONDS = Histogram(
    "stream_batch_duration_seconds",
    "Time of a whole batch, Spark's own bookkeeping included.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30),
)
LAST_SUCCESS = Gauge("stream_last_success_timestamp_seconds", "When the newest batch was committed, Unix time.")
INPUT_RATE = Gauge("stream_input_rows_per_second", "Messages arriving at the query per second.")
PROCESSED_RATE = Gauge("stream_processed_rows_per_second", "Messages the query works through per second.")
LAG = Gauge("stream_lag_messages", "Messages in Kafka that no batch has taken yet.", ["topic"])


class ProgressListener(StreamingQueryListener):
    """Turns Spark's progress reports into metrics."""

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        UP.set(1)

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        progress = event.progress
        BATCH_SECONDS.observe(progress.durationMs.get("triggerExecution", 0) / 1000)
        INPUT_RATE.set(progress.inputRowsPerSecond)
        PROCESSED_RATE.set(progress.processedRowsPerSecond)
        for source in progress.sources:
            for topic, behind in _lag(source.endOffset, source.latestOffset).items():
                LAG.labels(topic).set(behind)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        """Nothing arrived; the gauges stay as they are."""

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        UP.set(0)


def _lag(end: str, latest: str) -> dict[str, int]:
    """Messages per topic between two offset reports of Spark's Kafka source, both JSON {topic: {partition: offset}}."""
    reached, newest = json.loads(end or "{}"), json.loads(latest or "{}")
    return {
        topic: sum(offset - reached.get(topic, {}).get(partition, 0) for partition, offset in partitions.items())
        for topic, partitions in newest.items()
    }
