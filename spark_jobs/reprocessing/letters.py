"""Dead letters of a topic's rebuilt messages: added for what is refused now, taken away for what is accepted now."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError

from domain.contracts import Topic
from spark_jobs.lake import Lake
from spark_jobs.reprocessing import comparison
from spark_jobs.reprocessing.lake_day import LakeDay, find_table
from spark_jobs.reprocessing.outcome import Differences, Outcome
from spark_jobs.reprocessing.silver import StillDifferent
from spark_jobs.rewrites import rewriting
from spark_jobs.stream.medallion import DEAD_LETTERS

_ATTEMPTS = 20
_MATCHED = 's."partition" = v."partition" and s."offset" = v."offset" and s.topic = v.topic'


def positions(lake_uri: str, topic: Topic, since: date) -> pa.Table:
    """Where the dead letters of a topic lie in Kafka, of messages that reached it on this UTC date or later."""
    table = find_table(lake_uri, DEAD_LETTERS)
    schema = pa.schema([("partition", pa.int32()), ("offset", pa.int64())])
    if table is None:
        return schema.empty_table()
    found = table.to_pyarrow_table(columns=["topic", *schema.names], filters=[("date", ">=", since)])
    rows = found.filter(pc.equal(found.column("topic"), topic.name)).select(schema.names)
    return rows.cast(schema).group_by(schema.names).aggregate([])


@dataclass
class Letters:
    """The table of dead letters beside the verdicts of a rebuild. Letters of other messages are left alone."""

    topic: Topic
    lake: Lake
    database: duckdb.DuckDBPyConnection
    connection: psycopg.Connection[tuple[object, ...]]
    verdicts: Path

    def days(self) -> list[date]:
        """The UTC dates on which the messages in question reached Kafka."""
        self._show_verdicts()
        return [row[0] for row in self.database.execute('select distinct "date" from verdicts order by 1').fetchall()]

    def compare(self, day: date) -> Outcome:
        """Say how the day differs; changes nothing."""
        table = find_table(self.lake.uri, DEAD_LETTERS)
        if table is None:
            missing = self._count(f"select 1 from verdicts where \"date\" = '{day}' and reason is not null")
            return Outcome(DEAD_LETTERS, day, 0, missing, Differences(missing=missing))
        return self._look(day)[1]

    def heal(self, day: date) -> Outcome:
        """Make the day agree; what the stream appends meanwhile stays."""
        with rewriting(self.connection, DEAD_LETTERS):
            first: Outcome | None = None
            for _ in range(_ATTEMPTS):
                stored, found = self._look(day)
                first = first or found
                if not found.differences:
                    return Outcome(DEAD_LETTERS, day, first.rows_before, found.rows_after, first.differences)
                self._replace(stored, day)
        raise StillDifferent(f"{DEAD_LETTERS} of {day} still differ: does another job rewrite them? Run again.")

    def _show_verdicts(self) -> None:
        none = {"topic": "varchar", "partition": "int", "offset": "bigint", "date": "date", "reason": "varchar"}
        comparison.show_files(self.database, "verdicts", f"{self.verdicts}/*.parquet", none)

    def _replace(self, stored: LakeDay, day: date) -> None:
        try:
            stored.replace(
                f"from stored s anti join (from verdicts where \"date\" = '{day}') v on {_MATCHED} "
                f"union all by name from verdicts where \"date\" = '{day}' and reason is not null",
                "reprocessing",
            )
        except CommitFailedError:
            # Others changed these files meanwhile. The day is looked at again in any case.
            return

    def _look(self, day: date) -> tuple[LakeDay, Outcome]:
        table = find_table(self.lake.uri, DEAD_LETTERS) or self.lake.ensure(DEAD_LETTERS, _LETTERS, "date")
        stored = LakeDay(self.database, table, "date", day)
        judged = f"from verdicts v left join stored s on {_MATCHED} where v.\"date\" = '{day}'"
        found = self.database.execute(
            "select count(*) filter (where v.reason is not null and s.reason is null), "
            "count(*) filter (where v.reason is null and s.reason is not null), "
            "count(*) filter (where v.reason is not null and s.reason is not null "
            f"and (v.reason, v.error) is distinct from (s.reason, s.error)) {judged}"
        ).fetchone()
        assert found is not None
        before = comparison.count(self.database, "stored")
        return stored, Outcome(DEAD_LETTERS, day, before, before + found[0] - found[1], Differences(*found))

    def _count(self, query: str) -> int:
        return comparison.count(self.database, f"({query})")


_LETTERS = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", "UTC")),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("reason", pa.string()),
        ("error", pa.string()),
        ("ingested_at", pa.timestamp("us", "UTC")),
        ("batch_id", pa.int64()),
        ("date", pa.date32()),
    ]
)
"""Columns of the table, for a lake in which nothing was ever refused."""
