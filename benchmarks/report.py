"""What all benchmarks share: the machine they ran on, percentiles, and the two files that each result becomes."""

import json
import os
import platform as machine_facts
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from local.repository import ROOT

RESULTS = ROOT / "benchmarks" / "results"
TRIALS = ROOT / "var" / "benchmarks"
"""Where shortened runs write, so that they never take the place of a full one."""

GIB = 2**30

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """What the figures depend on most."""

    cpu: str
    cores: int
    memory_gib: float


@dataclass(frozen=True)
class Reference:
    """What the same run measured without the platform, to compare with."""

    what: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Result:
    """One run of one benchmark. The unit of every metric is the end of its name."""

    name: str
    settings: dict[str, Any]
    metrics: dict[str, Any]
    reference: Reference
    ratio: dict[str, float]
    """The platform's figure divided by the reference's."""
    load_average: dict[str, float]
    """Of the last minute, before and after: the run itself should be all there is."""
    machine: Machine = field(default_factory=lambda: this_machine())
    taken_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    commit: str = field(default_factory=lambda: current_commit())


def this_machine() -> Machine:
    """The machine this runs on."""
    memory = psutil.virtual_memory().total / GIB
    return Machine(_cpu_name(), psutil.cpu_count() or 1, round(memory, 1))


def current_commit() -> str:
    """The commit that is checked out, marked when files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def load_average() -> float:
    """Processes that ran or wanted to, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def percentiles(values: Floats, prefix: str = "") -> dict[str, float]:
    """p50, p95, p99 and max, in the unit of the values, named `<prefix>p50_ms` and so on. Nothing for no values."""
    if len(values) == 0:
        return {}
    figures = dict(zip(("p50", "p95", "p99"), np.percentile(values, (50, 95, 99)), strict=True))
    return {f"{prefix}{name}_ms": round(float(figure), 1) for name, figure in [*figures.items(), ("max", values.max())]}


def destination(is_full: bool) -> Path:
    """The folder a result belongs in: shortened runs are kept apart from those that the documentation cites."""
    return RESULTS if is_full else TRIALS


def write(result: Result, text: Sequence[str], folder: Path) -> Path:
    """Write <name>.json and <name>.md. Returns the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(f"{result.name}.json").write_text(json.dumps(asdict(result), indent=2) + "\n")
    readable = folder / f"{result.name}.md"
    readable.write_text("\n".join([*text, *footer(result)]) + "\n")
    return readable


def footer(result: Result) -> list[str]:
    """Under what conditions the figures were taken, as Markdown."""
    machine, load = result.machine, result.load_average
    settings = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    return [
        "",
        "## Conditions",
        "",
        f"- {machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB of memory",
        f"- load average {load['before']} before and {load['after']} after",
        f"- settings: {settings}",
        f"- taken at {result.taken_at}, commit {result.commit}",
        f"- again with `python -m benchmarks.{result.name}`",
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table, its columns padded so that it reads in a terminal too; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [" | ".join(_padded(cell, width, at) for at, (cell, width) in enumerate(zip(row, widths, strict=True)))
             for row in cells]  # fmt: skip
    rule = " | ".join("-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths))
    return [f"| {line} |" for line in [lines[0], rule, *lines[1:]]]


def _padded(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _cell(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _cpu_name() -> str:
    facts = Path("/proc/cpuinfo")
    names = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.exists() else []
    return names[0].partition(":")[2].strip() if names else machine_facts.processor() or machine_facts.machine()
