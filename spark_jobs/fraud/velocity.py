"""How many purchases a customer made in the trailing window of event time, whatever the order they came in.

Times are microseconds since 1970. A window is open at its beginning and closed at its end: (t - window, t].
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

_LARGEST_KEY = 1 << 62


@dataclass(frozen=True)
class Times:
    """Times, each of the customer with this code; codes begin at 0."""

    customers: Int64s
    at: Int64s

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Times":
        """Some of them."""
        return Times(self.customers[chosen], self.at[chosen])


def trailing_counts(asked: Times, known: Times, window_us: int) -> Int64s:
    """Per time asked, how many of the customer's known times lie in the window that ends there."""
    if len(asked.at) == 0 or len(known.at) == 0:
        return np.zeros(len(asked.at), dtype=np.int64)
    first = int(min(asked.at.min(), known.at.min()))
    width = int(max(asked.at.max(), known.at.max())) - first + window_us + 1
    customers = int(max(asked.customers.max(), known.customers.max())) + 1
    if customers > 1 and customers * width >= _LARGEST_KEY:
        return _by_halves(asked, known, window_us, customers // 2)
    keys = np.sort(known.customers * width + (known.at - first + window_us))
    ends = asked.customers * width + (asked.at - first + window_us)
    return np.searchsorted(keys, ends, "right") - np.searchsorted(keys, ends - window_us, "right")


def _by_halves(asked: Times, known: Times, window_us: int, middle: int) -> Int64s:
    """Split the customers, so that customer and time fit into one number."""
    counts = np.empty(len(asked.at), dtype=np.int64)
    for asked_part, known_part, shift in (
        (asked.customers < middle, known.customers < middle, 0),
        (asked.customers >= middle, known.customers >= middle, middle),
    ):
        some, others = asked.of(asked_part), known.of(known_part)
        counts[asked_part] = trailing_counts(
            Times(some.customers - shift, some.at), Times(others.customers - shift, others.at), window_us
        )
    return counts
