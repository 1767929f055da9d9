"""When each event became visible: the KPI's polls and the batches' offsets, joined to the events afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.report import Floats

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """Payment events that the stream committed. Instants are Unix seconds; all arrays have one entry per event."""

    created: Floats
    """When the processor answered, by the producer's clock."""
    in_kafka: Floats
    """The message's own timestamp: when the producer handed it to its Kafka client."""
    partition: Ints
    offset: Ints


@dataclass(frozen=True)
class Batches:
    """Batches in the order of their numbers, and which offsets of each partition they took."""

    number: Ints
    committed: Floats
    last_offset: Mapping[int, Ints]
    """Per partition the last offset that had been taken when each batch was over."""


@dataclass(frozen=True)
class Polls:
    """Each time the KPI was read: when the answer was there, and the last batch that it counted, which never falls."""

    at: Floats
    last_batch: Ints


@dataclass(frozen=True)
class Journeys:
    """Milliseconds of each event from its creation to the KPI, and of the three stretches between."""

    created: Floats
    """Unix seconds."""
    total: Floats
    to_kafka: Floats
    to_commit: Floats
    to_screen: Floats

    def during(self, start: float, end: float) -> "Journeys":
        """Those of the events created from `start` to `end`, Unix seconds."""
        chosen = (self.created >= start) & (self.created < end)
        arrays = (self.created, self.total, self.to_kafka, self.to_commit, self.to_screen)
        return Journeys(*(array[chosen] for array in arrays))


def journeys(events: Events, batches: Batches, polls: Polls) -> Journeys:
    """Assign each event its batch, and the batch the first poll that counted it.

    Raises ValueError when the polling ended before the last event was shown, for then the slowest would be left out.
    """
    batch = batch_of(events, batches)
    poll = np.searchsorted(polls.last_batch, batches.number[batch], side="left")
    if len(poll) and poll.max() == len(polls.at):
        raise ValueError("the KPI was not polled until the last event was shown: poll for longer")
    seen, committed = polls.at[poll], batches.committed[batch]
    return Journeys(
        created=events.created,
        total=(seen - events.created) * 1000,
        to_kafka=(events.in_kafka - events.created) * 1000,
        to_commit=(committed - events.in_kafka) * 1000,
        to_screen=(seen - committed) * 1000,
    )


def batch_of(events: Events, batches: Batches) -> Ints:
    """Per event the position of its batch among the batches. Raises ValueError when no batch took an event."""
    position = np.empty(len(events.offset), dtype=np.int64)
    for partition in np.unique(events.partition):
        chosen = events.partition == partition
        position[chosen] = np.searchsorted(batches.last_offset[int(partition)], events.offset[chosen], side="left")
    if len(position) and position.max() == len(batches.number):
        raise ValueError("an event lies in no batch")
    return position


def ranges_to_last_offsets(ranges: list[Mapping[str, list[int]]], partitions: int) -> dict[int, Ints]:
    """Per partition the highest offset taken so far, batch by batch; a batch may leave a partition out."""
    last = {partition: [own.get(str(partition), [0, -1])[1] for own in ranges] for partition in range(partitions)}
    return {partition: np.maximum.accumulate(np.array(ends, dtype=np.int64)) for partition, ends in last.items()}
