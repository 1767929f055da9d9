"""What Spark reports of a batch, as metrics."""

from prometheus_client import REGISTRY

from spark_jobs.stream.metrics import record

REPORT = {
    "name": "of a test",
    "durationMs": {"triggerExecution": 750, "walCommit": 20},
    "inputRowsPerSecond": 12.5,
}


def test_a_report_sets_the_metrics_of_its_query() -> None:
    record(REPORT)
    query = {"query": "of a test"}
    assert REGISTRY.get_sample_value("stream_batch_duration_seconds_sum", query) == 0.75
    assert REGISTRY.get_sample_value("stream_phase_seconds_total", {**query, "phase": "walCommit"}) == 0.02
    assert REGISTRY.get_sample_value("stream_phase_seconds_total", {**query, "phase": "triggerExecution"}) is None
    assert REGISTRY.get_sample_value("stream_input_rows_per_second", query) == 12.5
    assert REGISTRY.get_sample_value("stream_processed_rows_per_second", query) == 0.0
