"""Running figures within groups of rows, over whole columns at once."""

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


class Groups:
    """Rows in some order, each in a group: what came before a row in its group, and what a group adds up to.

    `codes` holds the group of each row, 0 to `count` - 1.
    """

    def __init__(self, codes: Int64s, count: int) -> None:
        self.codes = codes
        self.count = count
        self._order = np.argsort(codes, kind="stable")
        ordered = codes[self._order]
        self._starts = np.searchsorted(ordered, np.arange(count))
        self._start_of_row = self._starts[ordered]

    def rows(self) -> Int64s:
        """Rows per group."""
        return np.bincount(self.codes, minlength=self.count)

    def earlier_rows(self) -> Int64s:
        """Per row, the rows of its group before it."""
        return self._unordered(np.arange(len(self.codes)) - self._start_of_row)

    def sums(self, values: Int64s) -> Int64s:
        """The sum of a value per group."""
        total = np.zeros(self.count, dtype=np.int64)
        np.add.at(total, self.codes, values)
        return total

    def earlier_sums(self, values: Int64s) -> Int64s:
        """Per row, the sum of a value over the rows of its group before it."""
        ordered = values[self._order]
        before = np.cumsum(ordered) - ordered
        return self._unordered(before - before[self._start_of_row] if len(before) else before)

    def largest(self, values: Int64s) -> Int64s:
        """The largest value per group; no group may be empty."""
        return np.maximum.reduceat(values[self._order], self._starts) if self.count else values[:0]

    def _unordered(self, ordered: Int64s) -> Int64s:
        found = np.empty(len(ordered), dtype=np.int64)
        found[self._order] = ordered
        return found
