"""The sketch that percentiles of latencies come from (DDSketch): counts by bucket, whose bounds grow by one ratio.

Counts of any hours and processors may be added up. Whatever lies in a bucket differs from its middle by 1 % at most.
The same is said in SQL (dbt/macros/flags.sql); a test holds the two together.
"""

from math import ceil, log

GAMMA = 1.01 / 0.99
"""Bucket k holds what is over GAMMA**(k-1) and up to GAMMA**k milliseconds."""


def bucket_of(milliseconds: float) -> int:
    """The least bucket whose bound is not below this; times under a millisecond count as one."""
    return ceil(log(max(milliseconds, 1)) / log(GAMMA))


def bound_of(bucket: int) -> float:
    """The longest time in a bucket, milliseconds."""
    return GAMMA**bucket


def middle_of(bucket: int) -> float:
    """What a bucket's times are taken for, milliseconds: off by 1 % at most for each of them."""
    return 2 * GAMMA**bucket / (GAMMA + 1)
