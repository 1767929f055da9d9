"""The table of dead letters, read with filters and in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import and_

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake.exceptions import TableNotFoundError

from spark_jobs.lake import open_table
from spark_jobs.stream.medallion import DEAD_LETTERS

ABOUT = ("topic", "partition", "offset", "kafka_timestamp", "reason", "error", "date")
"""Everything but the bytes, which may be megabytes each."""

_ROWS_AT_ONCE = 64


@dataclass(frozen=True, order=True)
class Position:
    """Where a message lies in Kafka; written TOPIC/PARTITION/OFFSET."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Raises ValueError for what is no position."""
        topic, partition, offset = text.rsplit("/", 2) if text.count("/") >= 2 else ("", "", "")
        if not (topic and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is no position: say TOPIC/PARTITION/OFFSET, as `list` prints it")
        return cls(topic, int(partition), int(offset))


@dataclass(frozen=True)
class Selection:
    """Which letters are meant; None leaves a property open. `since` and `until` bound the message's time in Kafka."""

    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    position: Position | None = None

    def condition(self) -> ds.Expression:
        """The same as a condition on the table."""
        wanted = [ds.scalar(True)]
        if self.topic:
            wanted.append(ds.field("topic") == self.topic)
        if self.reason:
            wanted.append(ds.field("reason") == self.reason)
        if self.since:
            wanted += [ds.field("date") >= self.since.date(), ds.field("kafka_timestamp") >= _scalar(self.since)]
        if self.until:
            wanted += [ds.field("date") <= self.until.date(), ds.field("kafka_timestamp") < _scalar(self.until)]
        if self.position:
            wanted += [
                ds.field("topic") == self.position.topic,
                ds.field("partition") == self.position.partition,
                ds.field("offset") == self.position.offset,
            ]
        return reduce(and_, wanted)


@dataclass(frozen=True)
class Letters:
    """The dead letters of a lake."""

    lake_uri: str

    def about(self, selection: Selection) -> pa.Table:
        """What is known of the letters that are meant, without their bytes."""
        rows = self._dataset()
        if rows is None:
            return _NOTHING
        return rows.to_table(columns=list(ABOUT), filter=selection.condition())

    def newest(self, selection: Selection, limit: int) -> pa.Table:
        """The last `limit` of them to reach Kafka, newest first; reads no more days than it needs."""
        found, missing = [_NOTHING], limit
        for day in self._days(selection):
            on_day = self._about_day(selection, day).sort_by([("kafka_timestamp", "descending")]).slice(0, missing)
            found.append(on_day)
            missing -= on_day.num_rows
            if missing <= 0:
                break
        return pa.concat_tables(found, promote_options="permissive")

    def whole(self, selection: Selection) -> Iterator[pa.Table]:
        """The letters with their bytes, a few at a time, oldest day first."""
        rows = self._dataset()
        columns = [*ABOUT, "key", "value"]
        for day in reversed(self._days(selection)) if rows else []:
            condition = selection.condition() & (ds.field("date") == day)
            for batch in rows.to_batches(  # type: ignore[union-attr]
                columns=columns, filter=condition, batch_size=_ROWS_AT_ONCE, batch_readahead=1, fragment_readahead=1
            ):
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])

    def _about_day(self, selection: Selection, day: date) -> pa.Table:
        rows = self._dataset()
        if rows is None:
            return _NOTHING
        return rows.to_table(columns=list(ABOUT), filter=selection.condition() & (ds.field("date") == day))

    def _days(self, selection: Selection) -> list[date]:
        rows = self._dataset()
        if rows is None:
            return []
        days = rows.to_table(columns=["date"], filter=selection.condition()).column("date")
        return sorted((day for day in pc.unique(days).to_pylist() if day), reverse=True)

    def _dataset(self) -> ds.Dataset | None:
        try:
            return open_table(self.lake_uri, DEAD_LETTERS).to_pyarrow_dataset()
        except TableNotFoundError:
            return None


def positions(rows: pa.Table) -> list[Position]:
    """Where each of the letters lies."""
    columns = (rows.column(name).to_pylist() for name in ("topic", "partition", "offset"))
    return [Position(*row) for row in zip(*columns, strict=True)]


def _scalar(at: datetime) -> pa.Scalar:
    return pa.scalar(at, pa.timestamp("us", "UTC"))


_NOTHING = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", "UTC")),
        ("reason", pa.string()),
        ("error", pa.string()),
        ("date", pa.date32()),
    ]
).empty_table()
