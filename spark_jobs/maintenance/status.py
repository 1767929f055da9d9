"""How the tables are: a table that people can read, the same as JSON, and as metrics."""

from dataclasses import asdict, dataclass
from datetime import date, datetime

from spark_jobs.maintenance import metrics
from spark_jobs.maintenance.compaction import target_bytes
from spark_jobs.maintenance.tables import KeptTable, by_day, data_files
from spark_jobs.maintenance.vacuum import log_files

_COLUMNS = ("table", "files", "small", "bytes", "rows", "version", "log", "oldest", "newest")


@dataclass(frozen=True)
class TableStatus:
    """The newest version of one table; `small` counts files below the size they are merged up to."""

    table: str
    files: int
    small: int
    bytes: int
    rows: int
    version: int
    log: int
    oldest: date | None
    newest: date | None


def measure(table: KeptTable, now: datetime) -> TableStatus:
    """Look at a table, and tell Prometheus."""
    opened = table.open()
    files = data_files(opened)
    days = [day for day in by_day(files) if day]
    found = TableStatus(
        table=table.name,
        files=len(files),
        small=sum(file.size < target_bytes(table, file.day, now) for file in files),
        bytes=sum(file.size for file in files),
        rows=sum(file.rows for file in files),
        version=opened.version(),
        log=len(log_files(table)),
        oldest=min(days, default=None),
        newest=max(days, default=None),
    )
    metrics.FILES.labels(table.name).set(found.files)
    metrics.SMALL_FILES.labels(table.name).set(found.small)
    metrics.BYTES.labels(table.name).set(found.bytes)
    metrics.ROWS.labels(table.name).set(found.rows)
    metrics.LOG_FILES.labels(table.name).set(found.log)
    return found


def as_text(found: list[TableStatus]) -> str:
    """One line per table, numbers to the right."""
    rows = [_COLUMNS, *(_cells(one) for one in found)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, *figures = row
    return "  ".join([name.ljust(widths[0]), *map(str.rjust, figures, widths[1:])])


def _cells(one: TableStatus) -> tuple[str, ...]:
    values = asdict(one)
    return tuple(_cell(values[name]) for name in _COLUMNS)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
