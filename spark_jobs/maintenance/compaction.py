"""Small files merged, and days that are over ordered along a Z-curve: less to open, and more that readers may skip."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from deltalake import DeltaTable

from domain.lake import is_over, sizes
from spark_jobs.maintenance.ledger import Ledger, Work
from spark_jobs.maintenance.tables import (
    HOOKS,
    WRITER,
    DataFile,
    KeptTable,
    by_day,
    data_files,
    day_column,
    has_expired,
)

COMPACT, CLUSTER = "compact", "cluster"


def compact(table: KeptTable, now: datetime, memory_bytes: int) -> list[Work]:
    """Merge the small files of every day that has many, day by day, each in a commit of its own.

    Days on their way out are left as they are: an archive names the files that it holds.
    """
    days = by_day(data_files(table.open()))
    return [
        _compact(table, day, now, memory_bytes)
        for day, files in days.items()
        if not has_expired(table.rules, day, files, now) and needs_compaction(files, target_bytes(table, day, now))
    ]


def target_bytes(table: KeptTable, day: date | None, now: datetime) -> int:
    """How large files are made by merging: a day that goes on, or is clustered later, gets smaller ones."""
    is_final = day is not None and is_over(day, now) and not table.rules.cluster
    return sizes().clustered_bytes if is_final else sizes().compacted_bytes


def needs_compaction(files: list[DataFile], target: int) -> bool:
    """Whether enough small files have come together: merging fewer would write the same rows over and over."""
    return sum(file.size < target for file in files) >= sizes().least_small_files


def cluster(table: KeptTable, ledger: Ledger, now: datetime, memory_bytes: int, most_bytes: int) -> list[Work]:
    """Order the days that are over, and were not ordered or have grown since; but none of more than `most_bytes`."""
    if not table.rules.cluster:
        return []
    done = ledger.clustered(table.name)
    days = by_day(data_files(table.open()))
    return [
        _cluster(table, day, now, memory_bytes)
        for day, files in days.items()
        if day
        and is_over(day, now)
        and not has_expired(table.rules, day, files, now)
        and needs_clustering(files, done.get(day), most_bytes)
    ]


def needs_clustering(files: list[DataFile], newest_then: datetime | None, most_bytes: int) -> bool:
    """Whether more than a small part of a day's bytes came after it was clustered; never for one too large to sort."""
    size = sum(file.size for file in files)
    if size > most_bytes:
        return False
    later = sum(file.size for file in files if newest_then is None or file.written_at > newest_then)
    return later > sizes().later_share * size


def _compact(table: KeptTable, day: date | None, now: datetime, memory_bytes: int) -> Work:
    def merge(opened: DeltaTable) -> dict[str, Any]:
        return opened.optimize.compact(
            partition_filters=_only(opened, day),
            target_size=target_bytes(table, day, now),
            max_concurrent_tasks=1,
            max_spill_size=memory_bytes,
            writer_properties=WRITER,
            post_commithook_properties=HOOKS,
        )

    return _measured(table, COMPACT, day, merge)


def _cluster(table: KeptTable, day: date, now: datetime, memory_bytes: int) -> Work:
    def order(opened: DeltaTable) -> dict[str, Any]:
        return opened.optimize.z_order(
            table.rules.cluster,
            partition_filters=_only(opened, day),
            target_size=sizes().clustered_bytes,
            max_concurrent_tasks=1,
            max_spill_size=memory_bytes,
            writer_properties=WRITER,
            post_commithook_properties=HOOKS,
        )

    return _measured(table, CLUSTER, day, order)


def _measured(table: KeptTable, step: str, day: date | None, change: Callable[[DeltaTable], dict[str, Any]]) -> Work:
    began = datetime.now(UTC)
    done = table.commit(change)
    files = [file for file in data_files(table.open()) if file.day == day]
    return Work(
        table=table.name,
        step=step,
        began_at=began,
        day=day,
        files_before=int(done["numFilesRemoved"]),
        files_after=int(done["numFilesAdded"]),
        rows=sum(file.rows for file in files),
        newest_file_at=max((file.written_at for file in files), default=None),
    )


def _only(table: DeltaTable, day: date | None) -> list[tuple[str, str, str]] | None:
    column = day_column(table)
    return [(column, "=", day.isoformat())] if column and day else None
