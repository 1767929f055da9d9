"""Dead letters sent again, bytes untouched: those that the stream would accept today, each of them once.

A letter is sent, acknowledged, and then recorded. Killed in between, it is sent once more by the next run, and the
stream refuses the repetition by its identity: nothing is lost, and nothing counts twice.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from domain.contracts import topic_settings
from spark_jobs.dead_letters.judge import Refusal
from spark_jobs.dead_letters.ledger import Redriven
from spark_jobs.dead_letters.letters import Letters, Position, Selection, positions

ORIGIN = "redriven-from"
"""Header that names the position of the letter."""

_LETTERS_AT_ONCE = 2_000
_BYTES_AT_ONCE = 32 * 1024 * 1024
_PATIENCE_SECONDS = 60.0


class NotSent(RuntimeError):
    """Kafka did not take everything; `sent` is what it took."""

    def __init__(self, message: str, sent: Sequence[Redriven] = ()) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True)
class Again:
    """A letter to be sent, and the time it gets in Kafka."""

    position: Position
    reason: str
    at: datetime
    key: bytes | None
    value: bytes | None


class Judging(Protocol):
    """Says which letters would be refused again."""

    def refusals(self, letters: pa.Table, arrived_at: list[datetime]) -> dict[Position, Refusal]: ...


class Sending(Protocol):
    """Kafka, as far as a re-drive needs it."""

    def retention(self, topic: str) -> timedelta: ...

    def send(self, letters: list[Again]) -> list[Redriven]: ...


class Recording(Protocol):
    """Remembers what was sent."""

    def redriven(self) -> Mapping[Position, object]: ...

    def record(self, sent: Sequence[Redriven]) -> None: ...


@dataclass
class Result:
    """What became of the letters, by reason: the old one of those that are valid now, the new one of the others."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    already: int = 0


class Sender:
    """Kafka, seen by a re-drive."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "acks": "all",
                "message.max.bytes": topic_settings()["max_message_bytes"],
                "delivery.timeout.ms": int(_PATIENCE_SECONDS * 1000),
                "log_level": 2,
            }
        )

    def retention(self, topic: str) -> timedelta:
        """How long Kafka keeps the messages of a topic. Raises NotSent when it does not say."""
        admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 2})
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        try:
            kept_ms = int(
                admin.describe_configs([resource])[resource].result(timeout=_PATIENCE_SECONDS)["retention.ms"].value
            )
        except (KafkaException, TimeoutError) as error:
            raise NotSent(f"Kafka at {self._servers} does not answer for topic {topic}: {error}") from error
        return timedelta(milliseconds=kept_ms) if kept_ms >= 0 else timedelta(days=36_500)

    def send(self, letters: list[Again]) -> list[Redriven]:
        """Send and wait until all are acknowledged. Raises NotSent when some were not."""
        sent: list[Redriven] = []
        failures: list[KafkaError] = []
        for letter in letters:
            self._producer.produce(
                letter.position.topic,
                letter.value,
                letter.key,
                partition=letter.position.partition,
                timestamp=int(letter.at.timestamp() * 1000),
                headers=[(ORIGIN, str(letter.position).encode())],
                on_delivery=partial(_note, letter, sent, failures),
            )
            self._producer.poll(0)
        waiting = self._producer.flush(_PATIENCE_SECONDS)
        if waiting or failures:
            why = failures[0].str() if failures else f"{waiting} messages were not acknowledged in time"
            raise NotSent(f"Kafka at {self._servers} did not take everything: {why}. Run it again", sent)
        return sent


@dataclass
class Redrive:
    """A run over selected letters."""

    letters: Letters
    ledger: Recording
    judge: Judging
    sender: Sending
    force: bool = False
    """Send what would be refused again as well."""
    _retention: dict[str, timedelta] = field(default_factory=dict)

    def run(self, selection: Selection, dry: bool) -> Iterator[Result]:
        """Judge the letters and, unless it is a dry run, send them; yields the result so far as it goes on."""
        done = self.ledger.redriven().keys()
        result = Result()
        for chunk in _chunks(self.letters.whole(selection)):
            fresh = [at not in done for at in positions(chunk)]
            result.already += len(fresh) - sum(fresh)
            valid, refused = self._judged(chunk.filter(pa.array(fresh)))
            chosen = valid + [letter for letter, _ in refused] if self.force else valid
            if chosen and not dry:
                self._send(chosen)
            result.accepted.update(letter.reason for letter in valid)
            result.refused.update(why.reason for _, why in refused)
            yield result

    def _send(self, chosen: list[Again]) -> None:
        try:
            self.ledger.record(self.sender.send(chosen))
        except NotSent as failure:
            self.ledger.record(failure.sent)
            raise

    def _judged(self, letters: pa.Table) -> tuple[list[Again], list[tuple[Again, Refusal]]]:
        """First as of the time each letter gets; one that was ahead of its time is judged as of now."""
        if letters.num_rows == 0:
            return [], []
        now = datetime.now(UTC)
        topics, times = _columns(letters, "topic", "kafka_timestamp")
        at = [self._timestamp(topic, time, now) for topic, time in zip(topics, times, strict=True)]
        refused = self.judge.refusals(letters, at)
        early = [one in refused and refused[one].reason == "from_the_future" for one in positions(letters)]
        if any(early):
            still = self.judge.refusals(letters.filter(pa.array(early)), [now] * sum(early))
            at = [now if is_early else when for is_early, when in zip(early, at, strict=True)]
            first = {one: why for one, why in refused.items() if why.reason != "from_the_future"}
            refused = {**first, **still}
        reasons, keys, values = _columns(letters, "reason", "key", "value")
        judged = [Again(*row) for row in zip(positions(letters), reasons, at, keys, values, strict=True)]
        valid = [letter for letter in judged if letter.position not in refused]
        return valid, [(letter, refused[letter.position]) for letter in judged if letter.position in refused]

    def _timestamp(self, topic: str, original: datetime, now: datetime) -> datetime:
        """The letter's own time, so that it is late or early as it was; the present when Kafka would soon delete it."""
        if topic not in self._retention:
            self._retention[topic] = self.sender.retention(topic)
        return original if now - original < self._retention[topic] / 2 else now


def _note(
    letter: Again, sent: list[Redriven], failures: list[KafkaError], error: KafkaError | None, message: Message
) -> None:
    if error is not None:
        failures.append(error)
        return
    there = Position(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))
    sent.append(Redriven(letter.position, letter.reason, there))


def _chunks(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a bounded number of rows and bytes."""
    kept: list[pa.Table] = []
    for piece in pieces:
        kept.append(piece)
        if sum(one.num_rows for one in kept) >= _LETTERS_AT_ONCE or sum(one.nbytes for one in kept) >= _BYTES_AT_ONCE:
            yield pa.concat_tables(kept)
            kept = []
    if kept:
        yield pa.concat_tables(kept)


def _columns(rows: pa.Table, *names: str) -> list[list[Any]]:
    return [rows.column(name).to_pylist() for name in names]
