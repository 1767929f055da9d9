"""One collected micro-batch, taken apart: what is valid, what is not and why, and what was seen before."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from domain.contracts import Expectation, Topic, expectations
from spark_jobs import decode
from spark_jobs.records import MESSAGE_COLUMNS, silver_prefix
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.text import unstorable as unstorable_text

Mask = npt.NDArray[np.bool_]

_UNREADABLE = {
    decode.NOT_WIRE_FORMAT: ("undecodable", "no registry header: a zero byte and a schema id must come first"),
    decode.UNKNOWN_SCHEMA_ID: ("unknown_schema_id", "the registry knows no schema with the id in the header"),
    decode.UNDECODABLE: ("undecodable", "the body is not Avro of the schema named in the header"),
}
_ERROR_CHARACTERS = 200


@dataclass(frozen=True)
class ExpectationResult:
    """How many decoded records of a batch met an expectation."""

    topic: str
    name: str
    action: str
    passed: int
    failed: int


@dataclass(frozen=True)
class TopicBatch:
    """The messages of one topic in one micro-batch.

    `messages` has one row per Kafka message with columns topic, partition, offset, arrived_at, key, value, verdict and
    failed; `silver` its Silver row, meaningless where it could not be decoded; `first_seen` whether the identity window
    met its identity for the first time.
    """

    topic: Topic
    messages: pa.Table
    silver: pa.Table
    first_seen: Mask

    @cached_property
    def verdict(self) -> npt.NDArray[np.int64]:
        """Per message: a value of decode.DECODED, NOT_WIRE_FORMAT, UNKNOWN_SCHEMA_ID or UNDECODABLE."""
        return _numpy(self.messages, "verdict")

    @cached_property
    def _failed(self) -> npt.NDArray[np.int64]:
        """Per message the bits of the failed expectations; Spark has judged all but the text."""
        clean = sum(1 << position for position, one in enumerate(self.expected) if one.check == "clean")
        unstorable = unstorable_text(self.silver) & (self.verdict == decode.DECODED)
        return _numpy(self.messages, "failed") | np.where(unstorable, clean, 0)

    @property
    def expected(self) -> tuple[Expectation, ...]:
        """The expectations that the bits of `failed` stand for, lowest bit first."""
        return expectations(self.topic.name)

    @cached_property
    def is_valid(self) -> Mask:
        """Which messages could be decoded and met every expectation whose failure drops a record."""
        drop = sum(1 << position for position, one in enumerate(self.expected) if one.action == "drop")
        valid: Mask = (self.verdict == decode.DECODED) & ((self._failed & drop) == 0)
        return valid

    @cached_property
    def valid(self) -> pa.Table:
        """Silver rows of the valid messages with where they lie in Kafka, in order of arrival."""
        chosen = pa.array(self.is_valid)
        messages = self.messages.filter(chosen)
        return (
            self.silver.filter(chosen)
            .append_column("arrived_at", messages.column("arrived_at"))
            .append_column("source_partition", messages.column("partition"))
            .append_column("source_offset", messages.column("offset"))
        )

    @cached_property
    def is_new(self) -> Mask:
        """Of `valid`: whether the deduplication window vouches that the row was not seen before."""
        return self.first_seen[self.is_valid]

    @cached_property
    def unknown_schema_ids(self) -> set[int]:
        """Schema ids in the headers of this batch that stand for no schema known so far."""
        rows = self.messages.filter(pa.array(self.verdict == decode.UNKNOWN_SCHEMA_ID))
        return {int.from_bytes(value[1 : decode.HEADER_BYTES], "big") for value in rows.column("value").to_pylist()}

    @cached_property
    def dead_letters(self) -> pa.Table:
        """The invalid messages, with `reason` and `error`."""
        chosen = np.flatnonzero(~self.is_valid)
        rows = self.messages.take(pa.array(chosen))
        verdicts = [(_UNREADABLE.get(int(self.verdict[at])) or self._broken_expectation(at)) for at in chosen]
        return (
            rows.select(["topic", "partition", "offset", "arrived_at", "key", "value"])
            .append_column("reason", pa.array([reason for reason, _ in verdicts], pa.string()))
            .append_column("error", pa.array([error for _, error in verdicts], pa.string()))
        )

    def _broken_expectation(self, at: np.intp) -> tuple[str, str]:
        bits = int(self._failed[at])
        broken = next(
            one for position, one in enumerate(self.expected) if one.action == "drop" and bits >> position & 1
        )
        return broken.name, self._explain(broken, at)

    def _explain(self, broken: Expectation, at: np.intp) -> str:
        if broken.column is None:
            return f"failed the check `{broken.check}`"
        value = pc.cast(self.silver.column(broken.column).slice(int(at), 1), pa.string())
        text = value[0].as_py() if value[0].is_valid else "null"
        return f"{broken.column} = {text[:_ERROR_CHARACTERS]}"

    def expectation_results(self) -> list[ExpectationResult]:
        """Pass and fail counts over the decoded messages."""
        decoded = self.verdict == decode.DECODED
        total = int(decoded.sum())
        failed = self._failed[decoded]
        counts = [int(np.count_nonzero(failed >> position & 1)) for position in range(len(self.expected))]
        return [
            ExpectationResult(self.topic.name, one.name, one.action, total - count, count)
            for one, count in zip(self.expected, counts, strict=True)
        ]


def take_apart(collected: pa.Table, topics: Sequence[Topic], window: IdentityWindow) -> list[TopicBatch]:
    """Split a collected micro-batch by topic and look every decoded identity up in the window."""
    return [_topic_batch(topic, collected, window) for topic in topics]


def _topic_batch(topic: Topic, collected: pa.Table, window: IdentityWindow) -> TopicBatch:
    own = collected.filter(pc.equal(collected.column("topic"), topic.name))
    prefix = silver_prefix(topic)
    silver = {name.removeprefix(prefix): own.column(name) for name in own.column_names if name.startswith(prefix)}
    first = np.zeros(own.num_rows, dtype=bool)
    decoded = _numpy(own, "verdict") == decode.DECODED
    first[decoded] = window.first_seen(_numpy(own, "identity")[decoded], positions(own)[decoded])
    return TopicBatch(topic, own.select([*MESSAGE_COLUMNS, "verdict", "failed"]), pa.table(silver), first)


def positions(table: pa.Table, partition: str = "partition", offset: str = "offset") -> npt.NDArray[np.int64]:
    """Partition and offset of each row as one number that orders and compares as the pair does."""
    return (_numpy(table, partition).astype(np.int64) << 48) + _numpy(table, offset).astype(np.int64)


def _numpy(table: pa.Table, column: str) -> npt.NDArray[np.int64]:
    return np.asarray(table.column(column).combine_chunks().to_numpy(zero_copy_only=False))
