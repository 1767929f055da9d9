"""Brings revised scores to the lake, many at once: a change of a row in Delta rewrites the file that holds it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from spark_jobs.corrections import Correction, FilesChanged, correct
from spark_jobs.exchange import Cursor, literal
from spark_jobs.fraud import scoring
from spark_jobs.lake import Lake, has_table, open_table
from spark_jobs.rewrites import rewriting
from spark_jobs.stream import metrics
from spark_jobs.stream.medallion import FRAUD_SCORES

log = logging.getLogger("stream")

_AT_ONCE = 20_000
_LOCK_TIMEOUT = "10s"
_KEY = "user_id, event_timestamp, transaction_id"
_MERGED = ("velocity_30m", "score", "risk_level", "rules_fired", "revision")


class Revisions(threading.Thread):
    """Brings the revisions of live.fraud_score_revisions to Delta, again and again until stopped."""

    def __init__(self, database_url: str, lake: Lake, every_seconds: float, stop: threading.Event) -> None:
        super().__init__(name="revisions")
        self._url = database_url
        self._lake = lake
        self._every_seconds = every_seconds
        self._stop_asked = stop

    def run(self) -> None:
        """Work until told to stop, and once more then; what fails stays on the list and is tried again."""
        is_over = False
        while not is_over:
            is_over = self._stop_asked.wait(self._every_seconds)
            try:
                with (
                    psycopg.connect(
                        self._url, autocommit=True, connect_timeout=5, application_name="revisions"
                    ) as connection,
                    _alone(connection),
                ):
                    while merge(connection, self._lake.uri) == _AT_ONCE:
                        pass
            except (psycopg.OperationalError, DeltaError, FilesChanged, OSError) as error:
                log.warning("revised scores wait for the lake: %s", str(error).splitlines()[0])


@contextmanager
def _alone(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """Keep compaction and reprocessing away; raises LockNotAvailable when one of them takes long."""
    connection.execute(f"set lock_timeout = '{_LOCK_TIMEOUT}'")
    with rewriting(connection, FRAUD_SCORES):
        yield


def merge(connection: psycopg.Connection[tuple[object, ...]], lake_uri: str) -> int:
    """Bring pending revisions to the lake and take them off the list; returns how many were brought.

    The connection is in autocommit: the stream goes on revising meanwhile, and what it revised again stays on the list,
    as does a score that the lake does not hold yet. The table is opened before the scores are read, so that an older
    value can never follow a newer one.
    """
    if not has_table(lake_uri, FRAUD_SCORES):
        return 0
    with connection.cursor() as cursor:
        table = open_table(lake_uri, FRAUD_SCORES)
        rows = _taken(cursor)
        metrics.REVISIONS_PENDING.set(rows.num_rows)
        brought = 0
        for group in _by_hour(rows):
            day = group.column("event_timestamp")[0].as_py().date()
            found = correct(table, Correction(group, day, ("transaction_id", "event_timestamp"), _MERGED))
            _take_off(cursor, group.filter(found))
            brought += found.true_count
        return brought


def _taken(cursor: Cursor) -> pa.Table:
    """The scores to bring, as they are now; temporary table `taken` says since when they were on the list."""
    cursor.execute("set datestyle = 'ISO'")
    cursor.execute("drop table if exists taken")
    cursor.execute(
        f"create temporary table taken as select {_KEY}, revised_at from live.fraud_score_revisions "
        f"order by event_timestamp limit {_AT_ONCE}"
    )
    return scoring.read(cursor, f"from taken join live.fraud_scores using ({_KEY})")


def _take_off(cursor: Cursor, rows: pa.Table) -> None:
    if rows.num_rows:
        cursor.execute(
            f"delete from live.fraud_score_revisions pending using taken natural join unnest(%s::int[], "
            f"%s::timestamptz[], %s::text[]) as brought ({_KEY}) where (pending.user_id, pending.event_timestamp, "
            "pending.transaction_id, pending.revised_at) "
            "= (taken.user_id, taken.event_timestamp, taken.transaction_id, taken.revised_at)",
            [literal(rows.column(name)) for name in _KEY.split(", ")],
        )


def _by_hour(rows: pa.Table) -> Iterator[pa.Table]:
    """Neighbours in time lie in the same files."""
    hours = pc.floor_temporal(rows.column("event_timestamp"), unit="hour")
    for hour in pc.unique(hours):
        yield rows.filter(pc.equal(hours, hour))
