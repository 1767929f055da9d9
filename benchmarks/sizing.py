"""What a rate of events needs, from the measured cost of one event: `python -m benchmarks.sizing`.

Prints the tables of docs/scaling.md from benchmarks/results; `--write` puts them there.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.report import RESULTS, table
from local.repository import ROOT

DOCUMENT = ROOT / "docs" / "scaling.md"
RATES = (10_000, 100_000, 1_200_000)
BUSY = 0.6
"""Share of a core to plan with: what is left is for catching up, compaction and a lost machine."""

MICRO = 1_000_000
SECONDS_A_DAY = 86_400
STREAM = ("stream JVM", "stream driver")
MARKERS = "<!-- sizes: begin -->", "<!-- sizes: end -->"


@dataclass(frozen=True)
class Measured:
    """What one event costs, and how many a process has carried."""

    cpu_us: dict[str, float]
    """Microseconds of processor per event, by program."""
    steady_events_per_s: float
    """One stream process, with everything beside it on the cores it was measured on."""
    commit_ms: float
    """Median time of one append to a Delta table in a folder."""


@dataclass(frozen=True)
class Size:
    """What a rate needs, with cores planned at BUSY."""

    events_per_s: int
    stream_cores: int
    postgres_cores: int
    kafka_cores: int
    processes: int
    """Stream processes, each planned at BUSY of the rate that was measured; as many partitions are needed at least."""
    events_a_day: int


def measured(results: Path = RESULTS) -> Measured:
    """Read the results of the benchmarks. Raises FileNotFoundError when one was never run."""
    throughput = json.loads((results / "throughput.json").read_text())["metrics"]
    commit = json.loads((results / "commit.json").read_text())["metrics"]
    return Measured(
        cpu_us=throughput["cpu_us_per_event"],
        steady_events_per_s=throughput["steady_events_per_s"],
        commit_ms=commit["delta_rs"]["p50_ms"],
    )


def size(rate: int, cost: Measured) -> Size:
    """What this many events per second need."""

    def cores(*programs: str) -> int:
        return math.ceil(sum(cost.cpu_us[program] for program in programs) * rate / MICRO / BUSY)

    return Size(
        events_per_s=rate,
        stream_cores=cores(*STREAM),
        postgres_cores=cores("postgres"),
        kafka_cores=cores("kafka"),
        processes=math.ceil(rate / (cost.steady_events_per_s * BUSY)),
        events_a_day=rate * SECONDS_A_DAY,
    )


def tables(cost: Measured, rates: Sequence[int] = RATES) -> str:
    """The two tables of the document, as Markdown."""
    costs = table(
        ["one event costs", "microseconds of a core"],
        [[program, f"{cost.cpu_us[program]:.1f}"] for program in (*STREAM, "postgres", "kafka")],
    )
    sizes = table(
        ["events/s", "stream processes", "stream cores", "Postgres cores", "Kafka cores", "events a day"],
        [_row(size(rate, cost)) for rate in rates],
    )
    return "\n".join([*costs, "", *sizes])


def _row(one: Size) -> list[str]:
    counts = (one.events_per_s, one.processes, one.stream_cores, one.postgres_cores, one.kafka_cores)
    return [*(f"{count:,}" for count in counts), f"{one.events_a_day / 1e9:.1f} billion"]


def main(write: Annotated[bool, typer.Option(help="Put the tables into docs/scaling.md.")] = False) -> None:
    """Compute sizes from the results of the benchmarks."""
    text = tables(measured())
    typer.echo(text)
    if write:
        begin, end = MARKERS
        document = DOCUMENT.read_text()
        replaced = re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{text}\n{end}", document, flags=re.DOTALL)
        DOCUMENT.write_text(replaced)


if __name__ == "__main__":
    typer.run(main)
