"""Percentiles, tables and the two files of a result."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.report import RESULTS, TRIALS, Machine, Reference, Result, destination, percentiles, table, write

RESULT = Result(
    name="latency",
    settings={"rate": 10},
    metrics={"p99_ms": 12.5},
    reference=Reference("a plain loop", {"p99_ms": 5.0}),
    ratio={"p99_ms": 2.5},
    load_average={"before": 0.1, "after": 1.2},
    machine=Machine("some processor", 2, 23.5),
    taken_at="2026-03-01T12:00:00+00:00",
    commit="abc123",
)


def test_percentiles_are_named_with_their_unit() -> None:
    figures = percentiles(np.arange(1.0, 101.0), "cold_")
    assert figures == {"cold_p50_ms": 50.5, "cold_p95_ms": 95.0, "cold_p99_ms": 99.0, "cold_max_ms": 100.0}


def test_nothing_measured_gives_no_figure() -> None:
    assert percentiles(np.array([])) == {}


@pytest.mark.parametrize(("is_full", "folder"), [(True, RESULTS), (False, TRIALS)])
def test_a_shortened_run_does_not_take_the_place_of_a_full_one(is_full: bool, folder: Path) -> None:
    assert destination(is_full) == folder
    assert RESULTS != TRIALS


def test_a_result_becomes_a_file_for_programs_and_one_for_people(tmp_path: Path) -> None:
    readable = write(RESULT, ["# Latency"], tmp_path / "results")
    kept = json.loads(readable.with_suffix(".json").read_text())
    assert kept["machine"] == {"cpu": "some processor", "cores": 2, "memory_gib": 23.5}
    assert kept["reference"] == {"what": "a plain loop", "metrics": {"p99_ms": 5.0}}
    assert {"name", "taken_at", "commit", "settings", "metrics", "ratio"} <= set(kept)
    text = readable.read_text()
    assert text.startswith("# Latency\n")
    assert "some processor, 2 cores" in text
    assert "python -m benchmarks.latency" in text


def test_a_table_reads_in_a_terminal_too() -> None:
    assert table(["what", "ms"], [["a", 1234.56], ["long", 2]]) == [
        "| what |      ms |",
        "| ---- | ------: |",
        "| a    | 1,234.6 |",
        "| long |       2 |",
    ]
