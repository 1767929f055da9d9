"""Which partitions a stream process reads, and from where it goes on when others read them before.

Process i of n reads the partitions p with p % n == i of every topic, so that a message belongs to one of them. One
without a checkpoint goes on where Postgres and the lake agree that everything is stored, whoever stored it: that is how
the number of processes is changed. Why so: docs/adr/0008.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from domain.contracts import Topic
from spark_jobs.reprocessing.boundary import Batch, boundary
from spark_jobs.settings import StreamSettings

Partitions = Mapping[str, Sequence[int]]
"""Per topic the partitions of one process."""

_KAFKA_SECONDS = 10.0
_EARLIEST, _LATEST = -2, -1

_REACHED = """
    select query, topic.key, partition.key::int, max((partition.value ->> 1)::bigint)
    from ops.batches, jsonb_each(offsets) topic, jsonb_each(topic.value) partition
    where topic.key = any(%s)
    group by query, topic.key, partition.key
"""


class NotReady(ConnectionError):
    """The partitions cannot be read yet; the message says what is in the way. Ask again later."""


class Taken(NotReady):
    """Another process reads one of the partitions."""


@dataclass(frozen=True)
class Reading:
    """What one query reads: its partitions, and where it begins unless its checkpoint knows better."""

    partitions: Partitions
    begins_at: Mapping[str, Mapping[int, int]]
    """Per topic and partition the next offset; empty for a topic that nobody has read yet."""
    is_alone: bool

    def options(self, topic: str, otherwise: str) -> dict[str, str]:
        """The options of Spark's Kafka source; a process that is alone finds new partitions by itself."""
        known = self.begins_at.get(topic, {})
        unread = _LATEST if otherwise == "latest" else _EARLIEST
        begins = {str(partition): known.get(partition, unread) for partition in self.partitions[topic]}
        return {
            **({"subscribe": topic} if self.is_alone else {"assign": json.dumps({topic: self.partitions[topic]})}),
            "startingOffsets": json.dumps({topic: begins}) if known else otherwise,
        }


class Shard:
    """The share of one process, held against others by locks in Postgres until it is closed or its process ends."""

    def __init__(self, settings: StreamSettings, topics: Sequence[Topic], checkpoint: Path) -> None:
        self._settings = settings
        self._topics = topics
        self._checkpoint = checkpoint
        self._kafka = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers, "log_level": 0})
        self._locks: psycopg.Connection[tuple[object, ...]] | None = None

    def take(self) -> Reading:
        """Claim the partitions there are now. Raises NotReady while Kafka or Postgres is away, or others have them."""
        mine = self._partitions()
        try:
            connection = self._claim(mine)
            begins = self._handed_over(connection, mine)
        except psycopg.OperationalError as error:
            raise NotReady(f"Postgres is away: {_first_line(error)}") from error
        return Reading(mine, begins, self._settings.shard_count == 1)

    def has_changed(self, reading: Reading) -> bool:
        """Whether there are other partitions now, or others have ours. A neighbour that is away is no change."""
        try:
            now = self._partitions()
            self._claim(now)
        except Taken:
            return True
        except (NotReady, psycopg.OperationalError):
            return False
        return not reading.is_alone and now != reading.partitions

    def close(self) -> None:
        """Let others have the partitions."""
        if self._locks is not None:
            self._locks.close()
            self._locks = None

    def _partitions(self) -> dict[str, list[int]]:
        index, count = self._settings.shard_index, self._settings.shard_count
        try:
            topics = self._kafka.list_topics(timeout=_KAFKA_SECONDS).topics
        except KafkaException as error:
            raise NotReady(f"Kafka is away: {error.args[0].str()}") from error
        mine = {}
        for topic in self._topics:
            if topic.name not in topics:
                raise NotReady(f"Kafka has no topic {topic.name}: run `python -m producer init`")
            everyone = sorted(topics[topic.name].partitions)
            mine[topic.name] = [partition for partition in everyone if partition % count == index]
            if not mine[topic.name]:
                raise NotReady(
                    f"{topic.name} has {len(everyone)} partitions, none for process {index} of {count}: "
                    "add partitions, or set a smaller STREAM_SHARD_COUNT for all processes"
                )
        return mine

    def _claim(self, mine: Partitions) -> psycopg.Connection[tuple[object, ...]]:
        """Locks of the connection: what it has already it may take again, and with it they end."""
        if self._locks is None or not _answers(self._locks):
            self.close()
            self._locks = psycopg.connect(
                self._settings.database_url, autocommit=True, connect_timeout=5, application_name="stream claim"
            )
        for topic, partition in _each(mine):
            key = f"stream/{topic}/{partition}"
            row = self._locks.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [key]).fetchone()
            if row is None or not row[0]:
                self.close()
                raise Taken(f"partition {partition} of {topic} is read by another process: stop that one first")
        return self._locks

    def _handed_over(
        self, connection: psycopg.Connection[tuple[object, ...]], mine: Partitions
    ) -> dict[str, dict[int, int]]:
        own = _query_id(self._checkpoint)
        for batch in boundary(connection, self._settings.lake_uri, list(self._topics)).under_way:
            if batch.stream != own and _touches(batch, mine):
                raise NotReady(
                    f"batch {batch.number} of stream {batch.stream} is not in the lake yet: start its process once "
                    "more with the STREAM_SHARD_COUNT and the checkpoints it had, then stop it again"
                )
        next_offsets: dict[str, dict[int, int]] = {}
        for topic, partition, reached in self._reached(connection, mine, own):
            next_offsets.setdefault(topic, {})[partition] = reached + 1
        return next_offsets

    def _reached(
        self, connection: psycopg.Connection[tuple[object, ...]], mine: Partitions, own: str | None
    ) -> Iterator[tuple[str, int, int]]:
        found: dict[tuple[str, int], dict[str, int]] = {}
        for query, topic, partition, last in connection.execute(_REACHED, [list(mine)]).fetchall():
            found.setdefault((str(topic), int(str(partition))), {})[str(query)] = int(str(last))
        for topic, partition in _each(mine):
            by_stream = found.get((topic, partition), {})
            if not by_stream:
                continue
            furthest = max(by_stream, key=lambda stream: by_stream[stream])
            if own is not None and furthest != own and _has_begun(self._checkpoint):
                raise NotReady(
                    f"stream {furthest} has read partition {partition} of {topic} beyond the checkpoint "
                    f"{self._checkpoint}: move that folder away, and this process goes on from there"
                )
            yield topic, partition, by_stream[furthest]


def _each(partitions: Partitions) -> Iterator[tuple[str, int]]:
    return ((topic, partition) for topic, numbers in partitions.items() for partition in numbers)


def _touches(batch: Batch, mine: Partitions) -> bool:
    offsets = batch.record["offsets"]
    return any(str(partition) in offsets.get(topic, {}) for topic, partition in _each(mine))  # type: ignore[attr-defined]


def _answers(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    try:
        return connection.execute("select 1").fetchone() is not None
    except psycopg.OperationalError:
        return False


def _query_id(checkpoint: Path) -> str | None:
    """The id that Spark gave the query of this checkpoint."""
    metadata = checkpoint / "metadata"
    return str(json.loads(metadata.read_text())["id"]) if metadata.is_file() else None


def _has_begun(checkpoint: Path) -> bool:
    return any((checkpoint / "offsets").glob("[0-9]*"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
