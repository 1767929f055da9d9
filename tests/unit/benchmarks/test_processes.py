"""Processor time between two readings."""

import pytest

from benchmarks.processes import between


def test_the_hungriest_comes_first() -> None:
    spent = between({"kafka": 10.0, "api": 1.0}, {"kafka": 10.5, "api": 3.0})
    assert list(spent) == ["api", "kafka"]
    assert spent == pytest.approx({"api": 2.0, "kafka": 0.5})


def test_what_was_started_in_between_counts_from_nothing() -> None:
    assert between({}, {"producer": 2.0}) == {"producer": 2.0}
