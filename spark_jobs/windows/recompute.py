"""Have the windows of some days computed anew from Silver, by the job that is running or by its next run."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg

from spark_jobs.windows.job import marks_of_days
from spark_jobs.windows.live import put_mark


def recompute(connection: psycopg.Connection[Any], days: Iterable[date]) -> int:
    """Mark every window that shares an instant with these days as due; returns how many there are.

    Does nothing where windows were never computed: the job's first run takes in all of Silver anyway.
    """
    with connection.transaction(), connection.cursor() as cursor:
        if cursor.execute("select from ops.window_progress").fetchone() is None:
            return 0
        marks = list(marks_of_days(frozenset(days)))
        for mark in marks:
            put_mark(cursor, mark)
    return sum(len(mark.starts) for mark in marks)
