"""What Spark reports of offsets, as lag."""

from spark_jobs.stream.metrics import _lag


def test_lag_counts_what_was_not_taken_yet_on_every_partition() -> None:
    end, latest = '{"a": {"0": 5, "1": 7}}', '{"a": {"0": 5, "1": 10, "2": 4}, "b": {"0": 2}}'
    assert _lag(end, latest) == {"a": 7, "b": 2}


def test_offsets_that_spark_does_not_know_yet_are_no_lag() -> None:
    assert _lag("None", "None") == {}
    assert _lag("None", '{"a": {"0": 3}}') == {"a": 3}
