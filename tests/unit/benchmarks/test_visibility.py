"""Each event is as old as the first KPI that counted its batch."""

import numpy as np
import pytest

from benchmarks.visibility import Batches, Events, Polls, batch_of, journeys, ranges_to_last_offsets

BATCHES = Batches(
    number=np.array([4, 5, 7]),
    committed=np.array([10.0, 11.0, 12.0]),
    last_offset={0: np.array([9, 19, 29]), 1: np.array([4, 4, 8])},
)


def events(*rows: tuple[float, float, int, int]) -> Events:
    created, in_kafka, partition, offset = map(np.array, zip(*rows, strict=True))
    return Events(created, in_kafka, partition, offset)


def test_an_event_belongs_to_the_batch_that_took_its_offset() -> None:
    taken = events((0, 0, 0, 0), (0, 0, 0, 9), (0, 0, 0, 10), (0, 0, 0, 29), (0, 0, 1, 4), (0, 0, 1, 5))
    assert batch_of(taken, BATCHES).tolist() == [0, 0, 1, 2, 0, 2]


def test_an_event_beyond_all_batches_is_an_error() -> None:
    with pytest.raises(ValueError, match="in no batch"):
        batch_of(events((0, 0, 0, 30)), BATCHES)


def test_an_event_is_seen_by_the_first_poll_that_counts_its_batch() -> None:
    polls = Polls(at=np.array([10.1, 10.9, 11.2, 11.3, 12.5]), last_batch=np.array([4, 4, 5, 5, 7]))
    seen = journeys(events((9.0, 9.1, 0, 3), (10.0, 10.2, 0, 12), (11.0, 11.5, 1, 8)), BATCHES, polls)
    assert seen.total == pytest.approx([1100, 1200, 1500])
    assert seen.to_kafka == pytest.approx([100, 200, 500])
    assert seen.to_commit == pytest.approx([900, 800, 500])
    assert seen.to_screen == pytest.approx([100, 200, 500])


def test_a_batch_that_no_poll_saw_alone_counts_from_a_later_one() -> None:
    polls = Polls(at=np.array([9.5, 13.0]), last_batch=np.array([3, 7]))
    assert journeys(events((9.0, 9.0, 0, 3)), BATCHES, polls).total == pytest.approx([4000])


def test_polling_that_ended_too_early_is_an_error_and_not_a_good_figure() -> None:
    with pytest.raises(ValueError, match="poll for longer"):
        journeys(events((9.0, 9.0, 0, 29)), BATCHES, Polls(np.array([10.0]), np.array([5])))


def test_journeys_are_chosen_by_the_creation_of_the_event() -> None:
    polls = Polls(at=np.array([20.0]), last_batch=np.array([7]))
    seen = journeys(events((9.0, 9.0, 0, 1), (10.0, 10.0, 0, 2), (11.0, 11.0, 0, 3)), BATCHES, polls)
    assert seen.during(10.0, 11.0).total == pytest.approx([10_000])


def test_a_batch_may_leave_a_partition_out() -> None:
    last = ranges_to_last_offsets([{"0": [0, 9]}, {"1": [0, 4]}, {"0": [10, 11], "1": [5, 6]}], partitions=2)
    assert last[0].tolist() == [9, 9, 11]
    assert last[1].tolist() == [-1, 4, 6]
