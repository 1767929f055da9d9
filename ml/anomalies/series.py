"""The watched series as arrays: one row per series, one column per minute of event time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SEPARATOR = " x "
"""Between the columns of a combined dimension, and between their values."""


class Key(NamedTuple):
    """Which series: a dimension such as `processor` and a value of it."""

    dimension: str
    value: str

    @property
    def parts(self) -> dict[str, str]:
        """Value by column; a combined dimension has several."""
        if self == ALL:
            return {}
        return dict(zip(self.dimension.split(SEPARATOR), self.value.split(SEPARATOR), strict=False))

    def contains(self, other: "Key") -> bool:
        """Whether all traffic of the other series is in this one too."""
        return self.parts.items() <= other.parts.items()

    def is_apart_from(self, other: "Key") -> bool:
        """Whether no traffic can be in both."""
        mine, theirs = self.parts, other.parts
        return any(theirs.get(column, value) != value for column, value in mine.items())


ALL = Key("all", "all")
MEASURES = ("attempts", "approved", "log_latency", "log_latency_squares")


@dataclass(frozen=True)
class Count:
    """One series in one minute (or hour)."""

    attempts: int
    approved: int
    log_latency: float
    """Sum of the natural logarithms of the latencies in milliseconds, at least 1 ms each."""
    log_latency_squares: float
    declines: Mapping[str, int]


@dataclass(frozen=True)
class Frame:
    """All series over a stretch of minutes without gaps. Minutes count from 1970."""

    first: int
    keys: Sequence[Key]
    reasons: Sequence[str]
    sums: Mapping[str, Floats]
    """By measure, (series, minute)."""
    declines: Floats
    """(series, reason, minute)"""

    @property
    def minutes(self) -> int:
        return int(self.declines.shape[2])

    @property
    def known(self) -> Mask:
        """Minutes in which anything happened."""
        is_known: Mask = self.sums["attempts"][self.keys.index(ALL)] > 0
        return is_known

    def row(self, key: Key) -> int:
        """Where a series is. Raises ValueError when it is not watched."""
        return list(self.keys).index(key)


def frame(rows: Iterable[tuple[int, Key, Count]], first: int, minutes: int) -> Frame:
    """The rows (minute, series, count) as arrays; what is not there counts as nothing."""
    listed = [row for row in rows if first <= row[0] < first + minutes]
    keys = sorted({ALL, *(key for _, key, _ in listed)})
    reasons = sorted({reason for _, _, count in listed for reason in count.declines})
    at_key, at_reason = {key: at for at, key in enumerate(keys)}, {reason: at for at, reason in enumerate(reasons)}
    sums = {name: np.zeros((len(keys), minutes)) for name in MEASURES}
    declines = np.zeros((len(keys), len(reasons), minutes))
    for minute, key, count in listed:
        row, column = at_key[key], minute - first
        for name in MEASURES:
            sums[name][row, column] = getattr(count, name)
        for reason, number in count.declines.items():
            declines[row, at_reason[reason], column] = number
    return Frame(first, keys, reasons, sums, declines)


def cut(whole: Frame, last: int, minutes: int) -> Frame:
    """The stretch of a frame that ends with the minute `last`; shorter at its beginning."""
    end = last - whole.first + 1
    begin = max(0, end - minutes)
    sums = {name: values[:, begin:end] for name, values in whole.sums.items()}
    return Frame(whole.first + begin, whole.keys, whole.reasons, sums, whole.declines[:, :, begin:end])
