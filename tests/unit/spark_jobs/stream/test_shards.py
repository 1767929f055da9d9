"""What a process tells Spark's Kafka source to read."""

import json
from pathlib import Path

import pytest

from spark_jobs.lake import BatchIdentity
from spark_jobs.settings import StreamSettings
from spark_jobs.stream.shards import Reading, Unfinished


def parsed(options: dict[str, str]) -> dict[str, object]:
    return {name: json.loads(text) if text.startswith("{") else text for name, text in options.items()}


def test_a_topic_that_nobody_read_begins_as_configured() -> None:
    reading = Reading({"a": [0, 1]}, {}, is_alone=True)
    assert reading.options("a", "latest") == {"subscribe": "a", "startingOffsets": "latest"}


@pytest.mark.parametrize(("otherwise", "unread"), [("earliest", -2), ("latest", -1)])
def test_a_topic_goes_on_where_others_ended(otherwise: str, unread: int) -> None:
    reading = Reading({"a": [0, 1]}, {"a": {1: 7}}, is_alone=True)
    assert parsed(reading.options("a", otherwise)) == {
        "subscribe": "a",
        "startingOffsets": {"a": {"0": unread, "1": 7}},
    }


def test_one_of_several_reads_its_own_partitions_alone() -> None:
    reading = Reading({"a": [1, 3], "b": [1]}, {}, is_alone=False)
    assert parsed(reading.options("a", "earliest")) == {"assign": {"a": [1, 3]}, "startingOffsets": "earliest"}


def test_an_unfinished_batch_is_read_again_to_the_message() -> None:
    batch = Unfinished(BatchIdentity("stream", 4), {"a": {"0": [5, 9], "2": [0, 0]}, "b": {}})
    assert parsed(batch.options("a") or {}) == {
        "assign": {"a": [0, 2]},
        "startingOffsets": {"a": {"0": 5, "2": 0}},
        "endingOffsets": {"a": {"0": 10, "2": 1}},
    }
    assert batch.options("b") is None
    assert batch.options("c") is None


def settings(index: int, count: int) -> StreamSettings:
    return StreamSettings(DATABASE_URL="postgresql://nobody", shard_index=index, shard_count=count)


def test_each_of_several_keeps_its_own_folders() -> None:
    assert settings(0, 1).own("checkpoints") == Path("checkpoints")
    assert settings(1, 2).own("checkpoints") == Path("checkpoints/shard-1-of-2")


def test_a_process_beyond_the_count_is_refused() -> None:
    with pytest.raises(ValueError, match="numbered from 0"):
        settings(2, 2)
