"""A day of a Silver table: compared with what Bronze gives today, and replaced where it differs."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError

from domain.contracts import Topic
from spark_jobs.fraud.expressions import EVENT_RULES
from spark_jobs.lake import Lake
from spark_jobs.reprocessing import comparison
from spark_jobs.reprocessing.boundary import Limits
from spark_jobs.reprocessing.lake_day import LakeDay, find_table
from spark_jobs.reprocessing.outcome import Differences, Outcome
from spark_jobs.rewrites import rewriting

SUPERSEDED = pa.schema([("source_partition", pa.int32()), ("source_offset", pa.int64())])
"""Positions of rebuilt rows whose identity the stream has accepted meanwhile from beyond the boundary."""

_POSITION = ["source_partition", "source_offset"]
_ATTEMPTS = 20


class StillDifferent(RuntimeError):
    """A day did not come to agree, however often it was replaced."""


@dataclass
class SilverDays:
    """The Silver table of a topic, and the rows that were rebuilt for it."""

    topic: Topic
    lake: Lake
    database: duckdb.DuckDBPyConnection
    connection: psycopg.Connection[tuple[object, ...]]
    limits: Limits
    accepted: Path

    def compare(self, day: date, superseded: pa.Table) -> Outcome:
        """Say how the day differs; changes nothing."""
        table = find_table(self.lake.uri, self.topic.silver)
        if table is None:
            self._show_staged(day, {})
            missing = comparison.count(self.database, "staged")
            return Outcome(self.topic.silver, day, 0, missing, Differences(missing=missing))
        return self._look(table, day, superseded)[1]

    def heal(self, day: date, superseded: pa.Table) -> Outcome:
        """Make the day agree; what the stream appends meanwhile stays. It is looked at again after each replacement."""
        with rewriting(self.connection, self.topic.silver):
            first: Outcome | None = None
            for _ in range(_ATTEMPTS):
                table = self._ready_table()
                if table is None:
                    return Outcome(self.topic.silver, day, 0, 0, Differences())
                stored, found = self._look(table, day, superseded)
                first = first or found
                if not found.differences:
                    return Outcome(first.table, day, first.rows_before, found.rows_after, first.differences)
                self._replace(stored)
        raise StillDifferent(f"{self.topic.silver} of {day} still differs: does another job rewrite it? Run again.")

    def _ready_table(self) -> DeltaTable | None:
        """The table with every column that the rebuilt rows have; None when there are neither rows nor a table."""
        file = next(self.accepted.glob("*/*/*.parquet"), None)
        table = find_table(self.lake.uri, self.topic.silver)
        if file is None:
            return table
        schema = pa.schema([field for field in pq.read_schema(file) if field.name != EVENT_RULES]).remove_metadata()
        table = table or self.lake.ensure(self.topic.silver, schema, "event_date")
        known = {field.name for field in table.schema().fields}
        new = [field for field in Schema.from_arrow(schema).fields if field.name not in known]
        if new:
            table.alter.add_columns(new)
        return table

    def _replace(self, stored: LakeDay) -> None:
        try:
            stored.replace("from rebuilt union all by name from beyond order by event_timestamp", "reprocessing")
        except CommitFailedError:
            # Others changed these files meanwhile. The day is looked at again in any case.
            return

    def _look(self, table: DeltaTable, day: date, superseded: pa.Table) -> tuple[LakeDay, Outcome]:
        stored = LakeDay(self.database, table, "event_date", day)
        known = comparison.types_of(self.database, "stored")
        columns = {**self._show_staged(day, known), **known}
        columns.pop(EVENT_RULES, None)
        comparison.set_limits(self.database, self.limits)
        self.database.register("superseded", superseded)
        comparison.show_sides(self.database, columns, known, [self.topic.event_id, "event_timestamp"])
        before, after = (comparison.count(self.database, view) for view in ("settled", "rebuilt"))
        found = comparison.differences(self.database, _POSITION, columns)
        return stored, Outcome(self.topic.silver, day, before, after, found)

    def _show_staged(self, day: date, otherwise: comparison.Types) -> comparison.Types:
        files = f"{self.accepted}/day={day.isoformat()}/*/*.parquet"
        return comparison.show_files(self.database, "staged", files, otherwise or {"source_offset": "bigint"})
