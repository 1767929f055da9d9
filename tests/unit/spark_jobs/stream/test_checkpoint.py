"""Which position a checkpoint stands for, at each moment at which its process can be killed."""

from pathlib import Path

import pytest

from spark_jobs.stream.checkpoint import next_positions, query_id


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """One query of two topics, begun at offset 5 of one partition."""
    write(tmp_path / "metadata", '{"id":"a-stream"}')
    write(tmp_path / "sources" / "0" / "0", '\0v1\n{"a":{"0":5}}')
    write(tmp_path / "sources" / "1" / "0", '\0v1\n{"b":{"0":0,"1":0}}')
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def planned(checkpoint: Path, number: int, *sources: str) -> None:
    write(checkpoint / "offsets" / str(number), "\n".join(["v1", '{"batchWatermarkMs":0}', *sources]))


def done(checkpoint: Path, number: int) -> None:
    write(checkpoint / "commits" / str(number), 'v1\n{"nextBatchWatermarkMs":0}')


def test_of_no_checkpoint_nothing_is_known(tmp_path: Path) -> None:
    assert query_id(tmp_path) is None
    assert next_positions(tmp_path) is None


def test_the_stream_is_named_by_its_checkpoint(checkpoint: Path) -> None:
    assert query_id(checkpoint) == "a-stream"


def test_without_a_planned_batch_there_is_no_position(checkpoint: Path) -> None:
    assert next_positions(checkpoint) is None


def test_a_first_batch_that_was_not_done_begins_where_the_sources_began(checkpoint: Path) -> None:
    planned(checkpoint, 0, '{"a":{"0":9}}', '{"b":{"0":3,"1":4}}')
    assert next_positions(checkpoint) == {"a": {0: 5}, "b": {0: 0, 1: 0}}


def test_a_batch_that_was_done_is_passed(checkpoint: Path) -> None:
    planned(checkpoint, 0, '{"a":{"0":9}}', '{"b":{"0":3,"1":4}}')
    done(checkpoint, 0)
    assert next_positions(checkpoint) == {"a": {0: 9}, "b": {0: 3, 1: 4}}


def test_a_batch_that_was_not_done_is_run_again(checkpoint: Path) -> None:
    for number in (9, 10):
        planned(checkpoint, number, f'{{"a":{{"0":{number}}}}}', '{"b":{"0":3,"1":4}}')
    done(checkpoint, 9)
    assert next_positions(checkpoint) == {"a": {0: 9}, "b": {0: 3, 1: 4}}


def test_a_source_that_gave_nothing_has_no_position(checkpoint: Path) -> None:
    planned(checkpoint, 0, "-", '{"b":{"0":3}}')
    done(checkpoint, 0)
    assert next_positions(checkpoint) == {"b": {0: 3}}
