"""How the tables of the lake are kept: typed access to contracts/lake.toml, read once per process."""

import tomllib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """What files are merged, and how far."""

    compacted_bytes: int
    clustered_bytes: int
    least_small_files: int
    later_share: float
    settle_hours: int


@dataclass(frozen=True)
class TableKeeping:
    """How one Delta table is kept; the words are explained in contracts/lake.toml."""

    name: str
    cluster: tuple[str, ...]
    vacuum_hours: int
    log_hours: int
    retention_days: int
    archive: bool

    def first_day_kept(self, now: datetime) -> date | None:
        """The oldest UTC day that has not expired; None when nothing expires."""
        return now.date() - timedelta(days=self.retention_days) if self.retention_days else None


@cache
def _contract() -> dict[str, Any]:
    return tomllib.loads((files("contracts") / "lake.toml").read_text(encoding="utf-8"))


@cache
def sizes() -> Sizes:
    """The sizes that all tables share."""
    return Sizes(**_contract()["sizes"])


@cache
def keeping(name: str) -> TableKeeping:
    """How a table is kept; one that the contract does not name has the defaults."""
    rules = {**_contract()["defaults"], **_contract()["tables"].get(name, {})}
    return TableKeeping(name=name, **{**rules, "cluster": tuple(rules["cluster"])})


def is_over(day: date, now: datetime) -> bool:
    """Whether a UTC day ended so long ago that hardly anything is added to it."""
    settled = now - timedelta(hours=sizes().settle_hours)
    return day < settled.date()
