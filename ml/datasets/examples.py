"""Rows to learn from, in order of time, and how they are divided."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.errors import MlError
from ml.policy import split

Mask = npt.NDArray[np.bool_]
Instants = npt.NDArray[np.datetime64]
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class Examples:
    """One row per decision: the request's fields, `label` (a class number), `at`, and what evaluation needs beside."""

    rows: pa.Table

    @property
    def count(self) -> int:
        """How many rows."""
        return int(self.rows.num_rows)

    @cached_property
    def label(self) -> npt.NDArray[np.int64]:
        """The class of each row."""
        return self.numbers("label").astype(np.int64)

    @cached_property
    def at(self) -> Instants:
        """When each row happened, UTC."""
        found: Instants = self.rows.column("at").cast(pa.timestamp("us")).to_numpy()
        return found

    @cached_property
    def hours(self) -> npt.NDArray[np.int64]:
        """The hour that each row is in, counted from the first: what happens within one hangs together."""
        hours = self.at.astype("datetime64[h]").astype(np.int64)
        return hours - hours.min() if len(hours) else hours

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        """Every column as a list."""
        return {name: self.rows.column(name).to_pylist() for name in self.rows.column_names}

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """A column as numbers; NaN where it is null."""
        return np.asarray(self.rows.column(name).cast(pa.float64()).to_numpy(), dtype=np.float64)

    def where(self, mask: Mask) -> "Examples":
        """The rows of a mask."""
        return Examples(self.rows.filter(pa.array(mask)))

    def newest(self, count: int) -> "Examples":
        """The last so many rows."""
        return self if self.count <= count else Examples(self.rows.slice(self.count - count))

    def span(self) -> str:
        """First and last instant, in words."""
        return f"{str(self.at[0])[:16]} to {str(self.at[-1])[:16]}" if self.count else "nothing"


@dataclass(frozen=True)
class Divided:
    """The training period and, after a pause in which labels ripen, the test period."""

    training: Examples
    test: Examples


def timely(examples: Examples) -> Examples:
    """Without rows that lie further from the middle 98 % than those reach.

    A clock that stood at 1970, or in a year to come, would stretch the time that is divided until a part is empty.
    """
    if not examples.count:
        return examples
    stamps = examples.at.astype(np.int64)
    first, last = np.quantile(stamps, (0.01, 0.99))
    reach = last - first
    return examples.where((stamps >= first - reach) & (stamps <= last + reach)) if reach else examples


def ripe(examples: Examples, delay_days: float) -> Examples:
    """Without the newest days, whose labels may still change: they count as unknown."""
    if not examples.count:
        return examples
    horizon = examples.at.max() - _days(delay_days)
    return examples.where(examples.at <= horizon)


def divide(examples: Examples, delay_days: float, classes: Sequence[str] = ("0", "1")) -> Divided:
    """By time: the newest share is the test period; training ends so long before that all its labels were known then.

    Raises MlError when too little is left to learn from or to judge by, of all or of one of the classes.
    """
    if examples.count < split().least_rows:
        raise MlError(_too_few(examples, delay_days))
    start, end = examples.at.min(), examples.at.max()
    begin_test = end - (end - start) * split().test_share
    divided = Divided(
        examples.where(examples.at < begin_test - _days(delay_days)), examples.where(examples.at >= begin_test)
    )
    for period, rows in (("training", divided.training), ("test", divided.test)):
        _require_classes(period, rows, delay_days, classes)
    return divided


def folds(examples: Examples) -> Iterator[tuple[Mask, Mask]]:
    """Pairs of masks: learn from the first, judge on the second, which comes after it.

    The training period is cut into equal spans of time, one more than there are folds. There is no pause between: when
    training is done, all these labels are known.
    """
    at = examples.at
    edges = np.linspace(at.min().astype(np.int64), at.max().astype(np.int64) + 1, split().folds + 2).astype(np.int64)
    stamps = at.astype(np.int64)
    for begin, end in pairwise(edges[1:]):
        yield stamps < begin, (stamps >= begin) & (stamps < end)


def _days(days: float) -> np.timedelta64:
    return np.timedelta64(int(days * 86_400_000_000), "us")


def _require_classes(period: str, rows: Examples, delay_days: float, classes: Sequence[str]) -> None:
    if rows.count < split().least_rows // 5:
        pause = f" Labels ripen for {delay_days:g} days, which the period pauses." if delay_days else ""
        raise MlError(f"The {period} period holds {rows.count} rows: give more days, or wait.{pause}")
    counts = np.bincount(rows.label, minlength=len(classes))
    if np.count_nonzero(counts) < 2:
        raise MlError(f"The {period} period knows one class only: there is nothing to tell apart.")
    if counts.min() < split().least_of_a_class:
        raise MlError(
            f"The {period} period holds {counts.min()} rows of class {classes[int(counts.argmin())]}; "
            f"{split().least_of_a_class} are needed. Give more days, or wait for more labels."
        )


def _too_few(examples: Examples, delay_days: float) -> str:
    delay = f" What came of the newest {delay_days:g} days counts as unknown (ML_LABEL_DELAY_DAYS for fraud)."
    return (
        f"There are {examples.count} rows with ripe labels; {split().least_rows} are needed. Give more days, or wait."
        + delay * bool(delay_days)
    )
