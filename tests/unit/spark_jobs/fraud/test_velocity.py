"""Trailing counts equal a count by hand, for any customers and times."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_jobs.fraud.velocity import Times, trailing_counts

WINDOW = 1_800_000_000
DECADE = 315_360_000_000_000

times = st.integers(0, 4) | st.integers(WINDOW - 2, WINDOW + 2) | st.integers(-DECADE, DECADE)
rows = st.lists(st.tuples(st.integers(0, 200_000) | st.integers(0, 2), times), max_size=30)


def as_times(pairs: list[tuple[int, int]]) -> Times:
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Times(columns[:, 0], columns[:, 1])


@settings(max_examples=150, deadline=None)
@given(rows, rows)
def test_counts_are_those_made_by_hand(asked: list[tuple[int, int]], known: list[tuple[int, int]]) -> None:
    expected = [sum(other == who and at - WINDOW < t <= at for other, t in known) for who, at in asked]
    assert trailing_counts(as_times(asked), as_times(known), WINDOW).tolist() == expected


def test_the_window_is_open_at_its_beginning_and_closed_at_its_end() -> None:
    known = as_times([(0, 0), (0, WINDOW), (1, WINDOW)])
    assert trailing_counts(as_times([(0, WINDOW), (0, WINDOW - 1)]), known, WINDOW).tolist() == [1, 1]
