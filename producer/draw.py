"""Portable chance: weighted tables, and attributes derived from a number instead of being stored.

Only `random.Random` and integer arithmetic, so that a seed gives the same world on every machine.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")
MASK_64 = (1 << 64) - 1


def scramble(number: int) -> int:
    """A well-mixed 64-bit number for any integer (the SplitMix64 finaliser)."""
    number = (number + 0x9E3779B97F4A7C15) & MASK_64
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK_64
    return number ^ (number >> 31)


class Weighted(Generic[T]):
    """Values with weights; `at(u)` picks one by a number u in [0, 1)."""

    def __init__(self, values: Sequence[T], weights: Sequence[float]) -> None:
        total = sum(weights)
        self.values = tuple(values)
        self._bounds = [bound / total for bound in accumulate(weights)][:-1]

    @classmethod
    def of(cls, shares: Mapping[T, float]) -> "Weighted[T]":
        """A table from a mapping of value to weight."""
        return cls(tuple(shares), tuple(shares.values()))

    def at(self, u: float) -> T:
        """The value whose share of [0, 1) holds u."""
        return self.values[bisect_right(self._bounds, u)]


def uuid_text(bits: int) -> str:
    """128 bits written as a version 4 UUID."""
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def derived_id(bits: int, number: int) -> str:
    """The `number`-th id that belongs to an id of 128 bits, e.g. an attempt's to a purchase's."""
    low = scramble(bits ^ number)
    return uuid_text((scramble((bits >> 64) + low) << 64) | low)
