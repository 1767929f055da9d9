"""Microseconds per event between two readings, and the bottleneck that they name."""

import pytest

from benchmarks.drain import Reading
from benchmarks.throughput import bottleneck, rates

START = Reading(100.0, 1_000, {"collect": 1.0, "postgres": 1.0, "lake": 0.5}, {"kafka": 5.0})
END = Reading(110.0, 101_000, {"collect": 4.0, "postgres": 3.0, "lake": 1.5}, {"kafka": 6.0, "stream JVM": 9.0})


def test_what_no_step_accounts_for_is_bookkeeping() -> None:
    assert rates(START, END).wall == pytest.approx({"collect": 30, "postgres": 20, "lake": 10, "bookkeeping": 40})


def test_processor_time_is_counted_per_event_and_as_cores() -> None:
    steady = rates(START, END)
    assert steady.cpu == pytest.approx({"kafka": 10, "stream JVM": 90})
    assert steady.cores == pytest.approx({"kafka": 0.1, "stream JVM": 0.9})


def test_a_drain_that_ended_before_its_steady_part_gives_no_figure() -> None:
    with pytest.raises(ValueError, match="send more events"):
        rates(END, END)


def test_the_slowest_step_is_the_bottleneck() -> None:
    said = bottleneck({"collect": 30.0, "postgres": 10.0}, {"stream JVM": 1.7, "kafka": 0.2}, 2)
    assert "processors are the limit: 95%" in said
    assert "75% goes to the step `collect`" in said
    assert "1.70 of them in the stream JVM" in said


def test_idle_processors_are_said_to_be_idle() -> None:
    assert "processors are not the limit" in bottleneck({"postgres": 1.0}, {"stream JVM": 0.5}, 2)


def test_a_disturbed_run_says_so() -> None:
    said = bottleneck({"postgres": 1.0}, {"stream JVM": 0.5, "other programs": 1.4}, 2)
    assert said.startswith("Other programs took 1.40 cores")
    assert "0.50 of them in the stream JVM" in said
