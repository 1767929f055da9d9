"""How far a query is behind Kafka, asked of the broker: a batch that takes long, or hangs, is no excuse for a zero."""

from collections.abc import Collection, Mapping
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from spark_jobs.stream import metrics
from spark_jobs.stream.checkpoint import Positions, next_positions

_KAFKA_SECONDS = 2.0


class Lag:
    """Sets stream_lag_messages: messages in Kafka that no finished batch holds."""

    def __init__(self, bootstrap_servers: str, checkpoint: Path) -> None:
        self._kafka = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        self._checkpoint = checkpoint

    def measure(self, partitions: Mapping[str, Collection[int]], begins_at: Positions) -> None:
        """Look once; while Kafka is away the gauges stay as they are. `begins_at` counts until a batch is done."""
        reached = {**begins_at, **(next_positions(self._checkpoint) or {})}
        known = {topic: {*numbers, *reached.get(topic, ())} for topic, numbers in partitions.items()}
        try:
            oldest = self._offsets(known, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            newest = self._offsets(known, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        except (KafkaException, TimeoutError):
            return
        for topic, behind in behind_by(reached, oldest, newest).items():
            metrics.LAG.labels(topic).set(behind)

    def _offsets(self, partitions: Mapping[str, Collection[int]], which: OffsetSpec) -> Positions:
        asked = {TopicPartition(topic, number): which for topic, numbers in partitions.items() for number in numbers}
        found: dict[str, dict[int, int]] = {}
        answers = self._kafka.list_offsets(asked, request_timeout=_KAFKA_SECONDS)
        for place, answer in answers.items():
            found.setdefault(place.topic, {})[place.partition] = answer.result(_KAFKA_SECONDS).offset
        return found


def behind_by(reached: Positions, oldest: Positions, newest: Positions) -> dict[str, int]:
    """Messages per topic from where it was reached to the newest; what nobody has read counts from its oldest."""
    return {
        topic: sum(
            end - max(reached.get(topic, {}).get(number, 0), oldest[topic][number]) for number, end in ends.items()
        )
        for topic, ends in newest.items()
    }
