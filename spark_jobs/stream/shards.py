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
from spark_jobs.lake import BatchIdentity
from spark_jobs.reprocessing.boundary import boundary
from spark_jobs.settings import StreamSettings
from spark_jobs.stream.checkpoint import Positions, next_positions, query_id

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
_UNRECORDED = """
    select query, batch_id, offsets from ops.begun_batches
    where not exists (select from ops.batches where (query, batch_id) = (begun_batches.query, begun_batches.batch_id))
"""


class NotReady(ConnectionError):
    """The partitions cannot be read yet; the message says what is in the way. Ask again later."""


class Taken(NotReady):
    """Another process reads one of the partitions."""


@dataclass(frozen=True)
class Unfinished:
    """A batch that a stream began to store, and that Postgres and the lake do not both hold in full."""

    identity: BatchIdentity
    spans: Mapping[str, Mapping[str, Sequence[int]]]
    """Per topic and partition its first and last offset."""

    def options(self, topic: str) -> dict[str, str] | None:
        """The options of Spark's Kafka source that read its messages of a topic again; None when it has none."""
        spans = self.spans.get(topic)
        if not spans:
            return None
        return {
            "assign": json.dumps({topic: [int(partition) for partition in spans]}),
            "startingOffsets": json.dumps({topic: {partition: first for partition, (first, _) in spans.items()}}),
            "endingOffsets": json.dumps({topic: {partition: last + 1 for partition, (_, last) in spans.items()}}),
        }


@dataclass(frozen=True)
class Reading:
    """What one query reads: its partitions, and where it begins unless its checkpoint knows better."""

    partitions: Partitions
    begins_at: Positions
    """Empty for a topic that nobody has read yet."""
    is_alone: bool
    unfinished: Sequence[Unfinished] = ()
    """What must be finished before the query is begun."""

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
            return Reading(
                mine,
                self._begins_at(connection, mine),
                self._settings.shard_count == 1,
                list(self._unfinished(connection, mine)),
            )
        except psycopg.OperationalError as error:
            raise NotReady(f"Postgres is away: {_first_line(error)}") from error

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

    def _unfinished(self, connection: psycopg.Connection[tuple[object, ...]], mine: Partitions) -> Iterator[Unfinished]:
        """Batches of other streams in these partitions; nobody else can be at them, for the partitions are claimed."""
        own = query_id(self._checkpoint)
        begun: list[tuple[object, object, object]] = connection.execute(_UNRECORDED).fetchall()  # type: ignore[assignment]
        recorded = boundary(connection, self._settings.lake_uri, list(self._topics)).under_way
        begun += [(batch.stream, batch.number, batch.record["offsets"]) for batch in recorded]
        for stream, number, offsets in begun:
            batch = Unfinished(BatchIdentity(str(stream), int(str(number))), offsets)  # type: ignore[arg-type]
            if stream != own and any(str(partition) in batch.spans.get(topic, {}) for topic, partition in _each(mine)):
                if others := {topic for topic, spans in batch.spans.items() if spans} - mine.keys():
                    raise NotReady(
                        f"batch {number} of stream {stream} is unfinished and has messages of "
                        f"{', '.join(sorted(others))}: set STREAM_TOPICS as it was then"
                    )
                yield batch

    def _begins_at(
        self, connection: psycopg.Connection[tuple[object, ...]], mine: Partitions
    ) -> dict[str, dict[int, int]]:
        own, checkpoint = query_id(self._checkpoint), next_positions(self._checkpoint)
        begins: dict[str, dict[int, int]] = {}
        claimed = set(_each(mine))
        for query, *where, reached in connection.execute(_REACHED, [list(mine)]).fetchall():
            topic, partition, after = str(where[0]), int(str(where[1])), int(str(reached)) + 1
            if (topic, partition) not in claimed:
                continue
            if checkpoint is not None and query != own and after > checkpoint.get(topic, {}).get(partition, 0):
                raise NotReady(
                    f"stream {query} has read partition {partition} of {topic} beyond the checkpoint "
                    f"{self._checkpoint}: move that folder away, and this process goes on from there"
                )
            known = begins.setdefault(topic, {})
            known[partition] = max(after, known.get(partition, 0))
        return begins


def _each(partitions: Partitions) -> Iterator[tuple[str, int]]:
    return ((topic, partition) for topic, numbers in partitions.items() for partition in numbers)


def _answers(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    try:
        return connection.execute("select 1").fetchone() is not None
    except psycopg.OperationalError:
        return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
