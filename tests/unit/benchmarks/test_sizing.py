"""Sizes follow from the measured cost in proportion, rounded up to whole machines' parts."""

import pytest

from benchmarks.sizing import Measured, size, tables

COST = Measured(
    cpu_us={"stream JVM": 20.0, "stream driver": 10.0, "postgres": 6.0, "kafka": 3.0},
    steady_events_per_s=30_000,
    commit_ms=10,
)


@pytest.mark.parametrize(
    ("rate", "stream", "postgres", "kafka", "processes"),
    [(1, 1, 1, 1, 1), (10_000, 1, 1, 1, 1), (100_000, 5, 1, 1, 6), (1_200_000, 60, 12, 6, 67)],
)
def test_cores_are_planned_at_sixty_percent(rate: int, stream: int, postgres: int, kafka: int, processes: int) -> None:
    found = size(rate, COST)
    assert (found.stream_cores, found.postgres_cores, found.kafka_cores) == (stream, postgres, kafka)
    assert found.processes == processes


def test_the_document_has_a_row_for_each_rate() -> None:
    text = tables(COST, rates=[1_200_000])
    assert "| stream JVM" in text
    assert next(row for row in text.splitlines() if row.startswith("| 1,200,000")).endswith("| 103.7 billion |")
