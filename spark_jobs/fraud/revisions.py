"""Brings revised scores to the lake, many at once: a change of a row in Delta rewrites the files that hold it."""

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from spark_jobs.fraud import scoring
from spark_jobs.lake import Lake
from spark_jobs.stream import metrics
from spark_jobs.stream.medallion import FRAUD_SCORES

log = logging.getLogger("stream")

_AT_ONCE = 20_000
_KEY = "user_id, event_timestamp, transaction_id"
_MERGED = ("velocity_30m", "score", "risk_level", "rules_fired", "revision")


class Revisions(threading.Thread):
    """Merges the revisions of live.fraud_score_revisions into Delta, again and again until stopped."""

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
                with psycopg.connect(self._url, connect_timeout=5, application_name="revisions") as connection:
                    while merge(connection, self._lake) == _AT_ONCE:
                        connection.commit()
            except (psycopg.OperationalError, DeltaError, OSError) as error:
                log.warning("revised scores wait for the lake: %s", str(error).splitlines()[0])


def merge(connection: psycopg.Connection[tuple[object, ...]], lake: Lake) -> int:
    """Bring pending revisions to the lake and take them off the list, in the transaction of the connection.

    Returns how many there were. A score that the lake does not hold yet stays on the list.
    """
    with connection.cursor() as cursor:
        cursor.execute("set local datestyle = 'ISO'")
        cursor.execute(
            f"create temporary table taken on commit drop as select {_KEY} from live.fraud_score_revisions "
            f"order by event_timestamp limit {_AT_ONCE} for update skip locked"
        )
        rows = scoring.read(cursor, f"from taken join live.fraud_scores using ({_KEY})")
        metrics.REVISIONS_PENDING.set(rows.num_rows)
        for hour, group in _by_hour(rows):
            if lake.update(FRAUD_SCORES, group, _condition(group), _MERGED) == group.num_rows:
                cursor.execute(
                    "delete from live.fraud_score_revisions r using taken "
                    "where (r.user_id, r.event_timestamp, r.transaction_id) "
                    "= (taken.user_id, taken.event_timestamp, taken.transaction_id) "
                    "and taken.event_timestamp >= %s and taken.event_timestamp < %s",
                    [hour, hour + timedelta(hours=1)],
                )
        return int(rows.num_rows)


def _by_hour(rows: pa.Table) -> Iterator[tuple[datetime, pa.Table]]:
    """Neighbours in time lie in the same files."""
    hours = pc.floor_temporal(rows.column("event_timestamp"), unit="hour")
    for hour in pc.unique(hours):
        yield hour.as_py(), rows.filter(pc.equal(hours, hour))


def _condition(rows: pa.Table) -> str:
    """What joins a stored row to its revision, and which files may hold it."""
    span = pc.min_max(rows.column("event_timestamp")).as_py()
    dates = sorted({at.date().isoformat() for at in span.values()})
    listed = ", ".join(f"cast('{date}' as date)" for date in dates)
    first, last = (f"arrow_cast('{at.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')" for at in span.values())
    return (
        f"stored.event_date in ({listed}) and stored.event_timestamp >= {first} and stored.event_timestamp <= {last} "
        "and stored.transaction_id = revised.transaction_id and stored.event_timestamp = revised.event_timestamp"
    )
