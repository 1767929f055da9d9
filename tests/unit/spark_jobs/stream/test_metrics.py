"""What Spark reports of a batch, as metrics."""

from prometheus_client import REGISTRY

from spark_jobs.stream.metrics import _lag, record

REPORT = {
    "name": "of a test",
    "durationMs": {"triggerExecution": 750, "walCommit": 20},
    "inputRowsPerSecond": 12.5,
    "sources": [{"endOffset": {"a": {"0": 5}}, "latestOffset": {"a": {"0": 9}}}],
}


def test_lag_counts_what_was_not_taken_yet_on_every_partition() -> None:
    end, latest = {"a": {"0": 5, "1": 7}}, {"a": {"0": 5, "1": 10, "2": 4}, "b": {"0": 2}}
    assert _lag(end, latest) == {"a": 7, "b": 2}


def test_offsets_that_spark_does_not_know_yet_are_no_lag() -> None:
    assert _lag(None, None) == {}
    assert _lag(None, {"a": {"0": 3}}) == {"a": 3}


def test_a_report_sets_the_metrics_of_its_query() -> None:
    record(REPORT)
    query = {"query": "of a test"}
    assert REGISTRY.get_sample_value("stream_batch_duration_seconds_sum", query) == 0.75
    assert REGISTRY.get_sample_value("stream_phase_seconds_total", {**query, "phase": "walCommit"}) == 0.02
    assert REGISTRY.get_sample_value("stream_phase_seconds_total", {**query, "phase": "triggerExecution"}) is None
    assert REGISTRY.get_sample_value("stream_input_rows_per_second", query) == 12.5
    assert REGISTRY.get_sample_value("stream_processed_rows_per_second", query) == 0.0
    assert REGISTRY.get_sample_value("stream_lag_messages", {"topic": "a"}) == 4
