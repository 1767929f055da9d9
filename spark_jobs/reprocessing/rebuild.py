"""Bronze judged anew by the stream's own transforms, and laid down as Parquet by day and hour of the event."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial, reduce
from operator import or_
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, StructField, StructType, TimestampType

from domain.contracts import Topic
from spark_jobs.lake import open_table
from spark_jobs.records import MESSAGE_COLUMNS, Lateness, silver_prefix, silver_records
from spark_jobs.reprocessing.boundary import Limits
from spark_jobs.stream.batch import TopicBatch

CARRIED = ("ingested_at", "batch_id")
_ARRIVAL = ("ingested_at", "batch_id", "partition", "offset")
"""The order in which the stream met messages: batch by batch, and within a batch by position."""

_MESSAGES = StructType(
    [
        StructField("topic", StringType()),
        StructField("partition", IntegerType()),
        StructField("offset", LongType()),
        StructField("kafka_timestamp", TimestampType()),
        StructField("key", BinaryType()),
        StructField("value", BinaryType()),
        StructField("ingested_at", TimestampType()),
        StructField("batch_id", LongType()),
    ]
)
"""Columns of Bronze that are read."""

_ARROW = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us", "UTC")),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("ingested_at", pa.timestamp("us", "UTC")),
        ("batch_id", pa.int64()),
    ]
)

_ROWS_AT_ONCE = 20_000
_TASKS_PER_CORE = 4
_SESSION = {
    # Sizes of days differ by orders of magnitude; let Spark choose how many tasks each gets.
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}


@dataclass(frozen=True)
class Days:
    """A range of UTC event dates, both inclusive."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        for number in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=number)


@dataclass(frozen=True)
class Bronze:
    """What to read of the messages of a topic."""

    topic: Topic
    lake_uri: str
    limits: Limits
    since: date
    """No message that reached Kafka before this UTC date can belong to the range."""


@dataclass(frozen=True)
class Staged:
    """Where the rebuilt rows of a topic lie."""

    folder: Path

    @property
    def accepted(self) -> Path:
        """Silver rows, the first of each identity, in folders `day=…/hour=…`."""
        return self.folder / "accepted"

    @property
    def verdicts(self) -> Path:
        """Messages that are refused, and those with a dead letter that are not; `reason` is null then."""
        return self.folder / "verdicts"


def rebuild(
    spark: SparkSession,
    bronze: Bronze,
    writers: Mapping[int, str],
    lateness: Lateness,
    days: Days,
    letters: pa.Table,
    staged: Staged,
) -> None:
    """Judge what Bronze holds of events of these days; `letters` are positions of messages with a dead letter."""
    session = spark.newSession()
    for key, value in _SESSION.items():
        session.conf.set(key, value)
    judged = _judged(_messages(session, bronze), bronze.topic, writers, lateness, days).persist(StorageLevel.DISK_ONLY)
    try:
        accepted = _first(judged.where("reason is null"), [bronze.topic.event_id, "event_timestamp"])
        written = accepted.drop("topic", "key", "value", "reason", "error", "ingested_at")
        (
            written.withColumnsRenamed({"partition": "source_partition", "offset": "source_offset"})
            .withColumns({"day": F.col("event_date").cast("string"), "hour": F.hour("event_timestamp")})
            .write.mode("overwrite")
            .partitionBy("day", "hour")
            .parquet(str(staged.accepted))
        )
        _verdicts(judged, letters).write.mode("overwrite").parquet(str(staged.verdicts))
    finally:
        judged.unpersist()


def _messages(spark: SparkSession, bronze: Bronze) -> DataFrame:
    """The settled messages; the files are read by the workers through delta-rs, wherever the lake lies."""
    table = open_table(bronze.lake_uri, bronze.topic.bronze)
    files = [(str(path),) for path in _files(table, bronze.since).column("path").to_pylist()]
    tasks = max(1, min(len(files), spark.sparkContext.defaultParallelism * _TASKS_PER_CORE))
    read = partial(_read, bronze.lake_uri, bronze.topic.bronze, table.version())
    found = spark.createDataFrame(files, "path string").repartition(tasks).mapInArrow(read, _MESSAGES)
    settled = [
        (F.col("partition") == partition) & F.col("offset").between(*span) for partition, span in bronze.limits.items()
    ]
    return found.where(reduce(or_, settled, F.lit(False))).withColumnRenamed("kafka_timestamp", "arrived_at")


def count_messages(table: DeltaTable, since: date) -> int:
    """Messages of a Bronze table that reached Kafka on this UTC date or later, by the log of the table alone."""
    return int(pc.sum(_files(table, since).column("num_records")).as_py() or 0)


def first_offsets(table: DeltaTable, since: date) -> dict[int, int]:
    """Per partition the first offset that Bronze still holds of what reached Kafka on this UTC date or later.

    Older days may have left the lake; what was made of their messages cannot be rebuilt and is not to be touched.
    """
    positions = table.to_pyarrow_dataset(file_pruning_predicate=[("date", ">=", since.isoformat())])
    found: dict[int, int] = {}
    for batch in positions.to_batches(columns=["partition", "offset"]):
        grouped = pa.Table.from_batches([batch]).group_by("partition").aggregate([("offset", "min")])
        for row in grouped.to_pylist():
            found[row["partition"]] = min(row["offset_min"], found.get(row["partition"], row["offset_min"]))
    return found


def _files(table: DeltaTable, since: date) -> pa.Table:
    actions = pa.table(table.get_add_actions(flatten=True))
    return actions.filter(pc.field("partition.date") >= since)


def _read(lake_uri: str, name: str, version: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    table = open_table(lake_uri, name)
    table.load_as_version(version)
    files = PyFileSystem(DeltaStorageHandler.from_table(table._table))
    for batch in batches:
        for path in batch.column("path").to_pylist():
            with pq.ParquetFile(path, filesystem=files) as file:
                for rows in file.iter_batches(_ROWS_AT_ONCE, columns=_MESSAGES.names):
                    # Files that delta-rs rewrote (compaction does) hold texts as views, which Spark does not take.
                    yield rows.select(_MESSAGES.names).cast(_ARROW)


def _judged(messages: DataFrame, topic: Topic, writers: Mapping[int, str], lateness: Lateness, days: Days) -> DataFrame:
    """Silver columns and message of every event of the days, with `reason` and `error` where it is refused."""
    prefix = silver_prefix(topic)
    records = silver_records(messages, topic, writers, lateness, CARRIED).where(
        F.col(f"{prefix}event_date").between(F.lit(days.first), F.lit(days.last))
    )
    told = StructType([*records.schema.fields, StructField("reason", StringType()), StructField("error", StringType())])
    judged = records.mapInArrow(partial(_with_reasons, topic), told).drop("verdict", "failed", "identity")
    return judged.withColumnsRenamed({name: name.removeprefix(prefix) for name in judged.columns})


def _with_reasons(topic: Topic, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add the stream's own verdict on each record."""
    prefix = silver_prefix(topic)
    for batch in batches:
        records = pa.Table.from_batches([batch])
        silver = {
            name.removeprefix(prefix): records.column(name) for name in batch.schema.names if name.startswith(prefix)
        }
        messages = records.select([*MESSAGE_COLUMNS, "verdict", "failed"])
        part = TopicBatch(topic, messages, pa.table(silver), np.ones(batch.num_rows, dtype=np.bool_))
        for name in ("reason", "error"):
            texts = np.full(batch.num_rows, None, dtype=object)
            texts[~part.is_valid] = part.dead_letters.column(name).to_pylist()
            records = records.append_column(name, pa.array(texts, pa.string()))
        yield from records.to_batches()


def _first(rows: DataFrame, identity: list[str]) -> DataFrame:
    """Of each identity the row that the stream met first. Bronze may hold a position twice: it counts once."""
    met = Window.partitionBy(*identity).orderBy(*_ARRIVAL)
    return rows.withColumn("place", F.row_number().over(met)).where("place = 1").drop("place")


def _verdicts(judged: DataFrame, letters: pa.Table) -> DataFrame:
    columns = [
        "topic",
        "partition",
        "offset",
        "arrived_at",
        "key",
        "value",
        "ingested_at",
        "batch_id",
        "reason",
        "error",
    ]
    known = judged.sparkSession.createDataFrame(letters)
    in_question = judged.join(F.broadcast(known), ["partition", "offset"], "left_semi").where("reason is null")
    both = judged.where("reason is not null").select(columns).unionByName(in_question.select(columns))
    once = _first(both, ["partition", "offset"])
    return once.withColumnRenamed("arrived_at", "kafka_timestamp").withColumn("date", F.to_date("kafka_timestamp"))
