"""What a reprocessing found, table by table and day by day."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Differences:
    """How stored rows differ from the rebuilt ones, counted by the identity of the row."""

    missing: int = 0
    extra: int = 0
    changed: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.changed)

    def __add__(self, other: "Differences") -> "Differences":
        return Differences(self.missing + other.missing, self.extra + other.extra, self.changed + other.changed)


@dataclass(frozen=True)
class Outcome:
    """One day of one table: its rows up to the boundary before and after, and what was different."""

    table: str
    day: date
    rows_before: int
    rows_after: int
    differences: Differences

    def __str__(self) -> str:
        found = self.differences
        counts = f"missing {found.missing}, extra {found.extra}, changed {found.changed}" if found else "agrees"
        return f"{self.day} {self.table}: {self.rows_after} rows, {counts}"
