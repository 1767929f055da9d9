"""Days that are too old leave the lake, after a copy to the archive where one is kept.

Detail leaves Postgres sooner, and aggregates later.
"""

import hashlib
import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from psycopg import sql

from spark_jobs.maintenance.ledger import Work
from spark_jobs.maintenance.tables import (
    HOOKS,
    DataFile,
    KeptTable,
    by_day,
    data_files,
    day_column,
    folder,
    has_expired,
)
from spark_jobs.stream.cubes import CUBES

RETAIN = "retain"
PENDING = ".pending"
_SOURCES = b"source_files"
_ROWS_AT_ONCE = 20_000
LAST_READERS = timedelta(hours=12)
"""How much longer a day stays in Postgres than it must: fraud labels ripen when it becomes old enough, and whoever
judges models by them may be some hours behind."""
_LOCK_WAIT = "2s"
_DROP_DETAIL: LiteralString = "select live.drop_oldest_partition(%s)"
_DROP_INFERENCES: LiteralString = "select ops.drop_oldest_inferences(%s)"


class ArchiveIncomplete(RuntimeError):
    """The copy of a day does not hold what the day held; nothing was deleted."""


def retain(table: KeptTable, archive_uri: str, now: datetime) -> list[Work]:
    """End the days of a table that have expired, oldest first. A run that was killed is completed by the next one."""
    archives = bool(table.rules.archive and archive_uri)
    if archives:
        _settle(table, folder(archive_uri))
    days = by_day(data_files(table.open()))
    return [
        table.commit(lambda opened, day=day: _end(table, opened, day, archive_uri if archives else ""))  # type: ignore[misc]
        for day, files in days.items()
        if day is not None and has_expired(table.rules, day, files, now)
    ]


def _end(table: KeptTable, opened: DeltaTable, day: date, archive_uri: str) -> Work:
    """Archive and delete a day as one version of the table has it; a row that comes meanwhile makes both fail."""
    began = datetime.now(UTC)
    files = [file for file in data_files(opened) if file.day == day]
    if archive_uri:
        pending = _archive(table, opened, day, files, folder(archive_uri))
    opened.delete(f"{day_column(opened)} = '{day.isoformat()}'", post_commithook_properties=HOOKS)
    if archive_uri:
        folder(archive_uri).move(pending, pending.removesuffix(PENDING))
    return Work(table.name, RETAIN, began, day, files_before=len(files), rows=sum(file.rows for file in files))


def _archive(table: KeptTable, opened: DeltaTable, day: date, files: list[DataFile], archive: pafs.FileSystem) -> str:
    """Copy a day into one Parquet file, which is pending until the day is deleted. Returns where it lies."""
    sources = sorted(file.path for file in files)
    named = hashlib.sha256("\n".join(sources).encode()).hexdigest()[:16]
    column = day_column(opened)
    path = f"{table.name}/{day.isoformat()}/{named}.parquet{PENDING}"
    rows = opened.to_pyarrow_dataset().filter(pc.field(column) == day)
    schema = rows.schema.with_metadata({_SOURCES: json.dumps(sources).encode()})
    archive.create_dir(path.rpartition("/")[0], recursive=True)
    with archive.open_output_stream(path) as target, pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in rows.to_batches(batch_size=_ROWS_AT_ONCE):
            writer.write_batch(batch.cast(schema))
    _verify(path, archive, sum(file.rows for file in files))
    return path


def _verify(path: str, archive: pafs.FileSystem, wanted: int) -> None:
    with archive.open_input_file(path) as source:
        found = pq.ParquetFile(source).metadata.num_rows
    if found != wanted:
        raise ArchiveIncomplete(f"the archive {path} holds {found} rows instead of {wanted}; the day was not deleted")


def _settle(table: KeptTable, archive: pafs.FileSystem) -> None:
    """Decide copies that a killed run left pending: kept when the day was deleted, else made again."""
    current = {file.path for file in data_files(table.open())}
    for entry in archive.get_file_info(pafs.FileSelector(table.name, recursive=True, allow_not_found=True)):
        if not entry.path.endswith(PENDING):
            continue
        sources = _sources(entry.path, archive)
        if sources and sources.isdisjoint(current):
            archive.move(entry.path, entry.path.removesuffix(PENDING))
        else:
            archive.delete_file(entry.path)


def _sources(path: str, archive: pafs.FileSystem) -> set[str]:
    """The data files that a copy was made of; none when the copy was not written to its end."""
    try:
        with archive.open_input_file(path) as source:
            metadata = pq.ParquetFile(source).schema_arrow.metadata or {}
    except pa.ArrowInvalid:
        return set()
    return set(json.loads(metadata[_SOURCES]))


def retain_database(database_url: str, detail_days: int, aggregate_days: int, now: datetime) -> list[str]:
    """Drop daily partitions, then aggregates and audit rows that are too old; returns the partitions that went.

    Each drop waits two seconds for readers at most, so that the stream never waits longer behind it: then
    psycopg.errors.LockNotAvailable is raised, and the next run goes on.
    """
    today = now.date()
    dropped = []
    with closing(psycopg.connect(database_url, autocommit=True, connect_timeout=10)) as connection:
        connection.execute(f"set lock_timeout = '{_LOCK_WAIT}'")
        connection.execute("set timezone = 'UTC'")
        for drop, days in ((_DROP_DETAIL, detail_days), (_DROP_INFERENCES, aggregate_days)):
            while name := _drop_oldest(connection, drop, today - timedelta(days=days)):
                dropped.append(name)
        _delete_aggregates(connection, today - timedelta(days=aggregate_days))
        _delete_audit(connection, today - timedelta(days=aggregate_days))
    return dropped


def _drop_oldest(connection: psycopg.Connection[tuple[str | None]], drop: LiteralString, first: date) -> str | None:
    row = connection.execute(drop, [first]).fetchone()
    return row[0] if row else None


def _delete_aggregates(connection: psycopg.Connection[tuple[str | None]], first: date) -> None:
    """Those of days whose detail is still there stay: history that was loaded of late."""
    oldest = connection.execute(
        "select least(%s::date, to_date(min(right(child.relname, 8)), 'YYYYMMDD'))::text "
        "from pg_inherits join pg_class child on child.oid = inhrelid where inhparent = 'live.payments'::regclass",
        [first],
    ).fetchone()
    with connection.transaction():
        for name, time in [*((cube.name, cube.time) for cube in CUBES), ("payment_hours", "hour")]:
            connection.execute(
                sql.SQL("delete from live.{} where {} < %s::date").format(sql.Identifier(name), sql.Identifier(time)),
                oldest,
            )


def _delete_audit(connection: psycopg.Connection[tuple[str | None]], first: date) -> None:
    """The last batch of each query stays: it is how a repetition of it is recognised."""
    old = (
        "(select query, batch_id from ops.batches b where committed_at < %(first)s "
        "and batch_id < (select max(batch_id) from ops.batches newest where newest.query = b.query))"
    )
    for table in ("expectation_results", "dead_letter_counts", "batches"):
        connection.execute(f"delete from ops.{table} where (query, batch_id) in {old}", {"first": first})
    connection.execute("delete from ops.query_audit where at < %s", [first])
    connection.execute("delete from ops.lake_maintenance where ended_at < %s and step <> 'cluster'", [first])
