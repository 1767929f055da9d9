"""Files that nothing uses any more deleted, and the log thinned, never within the hours that readers are promised."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow.fs as pafs
from deltalake import DeltaTable

from domain.lake import TableKeeping
from spark_jobs.maintenance.ledger import Work
from spark_jobs.maintenance.tables import HOOKS, LOG_FOLDER, KeptTable, folder

VACUUM = "vacuum"
_LOG_FILE = re.compile(r"(?P<version>\d{20})\.(?P<kind>json|checkpoint\.parquet)")


@dataclass(frozen=True)
class LogFile:
    """A commit or a checkpoint."""

    name: str
    version: int
    is_checkpoint: bool
    written_at: datetime


def vacuum(table: KeptTable, now: datetime) -> list[Work]:
    """Delete files that no promised version needs, what killed writers left behind, and old log.

    Repeating it does nothing more. A file that left the table is safe for `log_hours` by its tombstone in the log, and
    afterwards by the checkpoints that are kept: docs/adr/0016.
    """
    began = datetime.now(UTC)
    _promise(table)
    gone = table.commit(lambda opened: _delete(opened, table, now))
    log = _thin_log(table, now)
    return [Work(table.name, VACUUM, began, files_before=len(gone) + log)] if gone or log else []


def superfluous(log: list[LogFile], rules: TableKeeping, now: datetime) -> list[LogFile]:
    """The log files that no promised version needs, oldest first.

    Every version of the last `log_hours` stays reachable, and the last checkpoint of each hour of the last
    `vacuum_hours`. A checkpoint alone is enough to read its own version.
    """
    recent = now - timedelta(hours=rules.log_hours)
    first = min((one.version for one in log if not one.is_checkpoint and one.written_at >= recent), default=None)
    bases = [one.version for one in log if one.is_checkpoint and (first is None or one.version < first)]
    if not bases:
        return []
    base = max(bases)
    kept = {one.name for one in hourly(log, rules, now)}
    return sorted(
        (one for one in log if one.version < base and one.name not in kept), key=lambda one: (one.version, one.name)
    )


def log_files(table: KeptTable) -> list[LogFile]:
    """What lies in the log of a table, without the pointer to its last checkpoint."""
    entries = folder(f"{table.uri}/{LOG_FOLDER}").get_file_info(pafs.FileSelector(""))
    found = [(entry, _LOG_FILE.fullmatch(entry.base_name)) for entry in entries]
    return [
        LogFile(entry.base_name, int(match["version"]), match["kind"] != "json", entry.mtime.astimezone(UTC))
        for entry, match in found
        if match
    ]


def _delete(opened: DeltaTable, table: KeptTable, now: datetime) -> list[str]:
    hours = table.rules.vacuum_hours
    if not opened.vacuum(hours, dry_run=True, full=True, enforce_retention_duration=False):
        return []
    return opened.vacuum(
        hours,
        dry_run=False,
        full=True,
        enforce_retention_duration=False,
        keep_versions=sorted(one.version for one in hourly(log_files(table), table.rules, now)),
        post_commithook_properties=HOOKS,
    )


def hourly(log: list[LogFile], rules: TableKeeping, now: datetime) -> list[LogFile]:
    """The last checkpoint of each hour of the last `vacuum_hours`."""
    since = now - timedelta(hours=rules.vacuum_hours)
    newest = {
        one.written_at.replace(minute=0, second=0, microsecond=0): one
        for one in sorted(log, key=lambda one: one.version)
        if one.is_checkpoint and one.written_at >= since
    }
    return list(newest.values())


def _thin_log(table: KeptTable, now: datetime) -> int:
    log = log_files(table)
    old = [
        one for one in log if not one.is_checkpoint and one.written_at < now - timedelta(hours=table.rules.log_hours)
    ]
    if not old:
        return 0
    newest_old = max(one.version for one in old)
    if not any(one.is_checkpoint and one.version >= newest_old for one in log):
        table.open().create_checkpoint()
        log = log_files(table)
    files = folder(f"{table.uri}/{LOG_FOLDER}")
    gone = superfluous(log, table.rules, now)
    for one in gone:
        files.delete_file(one.name)
    return len(gone)


def _promise(table: KeptTable) -> None:
    """Write the hours into the table: by them the checkpoints of all writers forget files that left it."""
    wanted = {
        "delta.deletedFileRetentionDuration": f"interval {table.rules.log_hours} hours",
        "delta.logRetentionDuration": f"interval {table.rules.vacuum_hours} hours",
    }

    def promise(opened: DeltaTable) -> None:
        given = opened.metadata().configuration
        if any(given.get(name) != value for name, value in wanted.items()):
            opened.alter.set_table_properties(wanted)

    table.commit(promise)
