"""An hour of everything at once: is memory flat, are batches, are files bounded, and is every figure right at the end?

`python -m benchmarks.soak`. At the end scores and windows are held against an oracle over the producer's ledger.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import typer
from deltalake import DeltaTable
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import plots
from benchmarks.drain import SIDE_SERVICES
from benchmarks.processes import Cpu, between, cpu_seconds, live_heap_mib, memory_mib
from benchmarks.report import Reference, Result, destination, load_average, percentiles, table, write
from local.platform import Platform
from local.ports import Ports
from local.services import producer
from tests.e2e import oracle

FULL = (1_000, 60.0)
SETTLED_MINUTES = 10.0
"""How long caches, pools and the JIT may take to fill before growth counts."""

SAMPLE_EVERY_S = 15.0
RIGHT_WITHIN_S = 600.0
SERVICES = ("postgres", "kafka", "registry", "stream", "api", "dbt-repeatedly", "producer", *SIDE_SERVICES)


@dataclass(frozen=True)
class Sample:
    """The platform at one instant."""

    minute: float
    memory_mib: dict[str, float]
    """Resident memory by part of the platform."""
    files: dict[str, int]
    """Data files by table of the lake."""
    lag: int
    """Messages of the money topics that no batch has taken."""


@dataclass
class Soak:
    """What a run showed."""

    samples: list[Sample] = field(default_factory=list)
    batches: list[tuple[float, float]] = field(default_factory=list)
    """Per batch of the money: minute of its commit, and seconds since the commit before."""
    cores: Cpu = field(default_factory=dict)
    """By part; the stream has two."""
    live_heap_mib: list[float | None] = field(default_factory=list)
    """Of the stream: once it had settled, and at the end."""
    wrong: dict[str, str] = field(default_factory=dict)
    purchases: int = 0
    restarts: int = 0


def main(
    rate: Annotated[int, typer.Option(min=1, help="Purchases per second.")] = FULL[0],
    minutes: Annotated[float, typer.Option(min=1, help="Length of the run.")] = FULL[1],
) -> None:
    """Run everything under load and watch. Any option makes it a trial, kept in var/benchmarks."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    load = load_average()
    with Platform(folder, Ports.free(), report=_report) as platform:
        seen = soak(platform, rate, minutes)
    result = summarise(seen, rate, minutes, {"before": load, "after": load_average()})
    readable = write(result, _text(result, seen), destination((rate, minutes) == FULL))
    plots.soak(
        [one.minute for one in seen.samples],
        {name: [one.memory_mib.get(name, np.nan) for one in seen.samples] for name in seen.samples[-1].memory_mib},
        seen.batches,
        {name: [one.files.get(name, 0) for one in seen.samples] for name in seen.samples[-1].files},
        readable.with_suffix(".png"),
    )
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")
    if seen.wrong:
        typer.echo(f"the data is kept in {folder}")
        raise typer.Exit(1)
    shutil.rmtree(folder)


def soak(platform: Platform, rate: int, minutes: float) -> Soak:
    """Run the platform under load, look at it now and then, and check every score and window afterwards."""
    platform.start("stream", "api", "dbt", "dbt-repeatedly", *SIDE_SERVICES)
    ledger = platform.data / "ledger"
    arguments = ["--rate", str(rate), "--seed", "1", "--ledger", str(ledger / "soak.csv")]
    platform.start_service(producer(platform.site, "producer", "simulate", *arguments))
    seen, began = Soak(), time.time()
    used = cpu_seconds(platform, SERVICES)
    settled = min(SETTLED_MINUTES, minutes / 2)
    while (minute := (time.time() - began) / 60) < minutes:
        seen.samples.append(_sample(platform, minute))
        if minute >= settled and not seen.live_heap_mib:
            seen.live_heap_mib.append(live_heap_mib(platform, "stream"))
        if len(seen.samples) % 20 == 1:
            typer.echo(_line(seen.samples[-1]))
        time.sleep(SAMPLE_EVERY_S)
    spent = between(used, cpu_seconds(platform, SERVICES))
    seen.cores = {part: seconds / (time.time() - began) for part, seconds in spent.items()}
    if not platform.is_running("producer"):
        raise RuntimeError(f"the producer ended early, see {platform.log('producer')}")
    seen.live_heap_mib.append(live_heap_mib(platform, "stream"))
    platform.stop("producer")
    seen.restarts = sum(platform.restarts(name) for name in SERVICES)
    seen.batches = _batches(platform, began)
    seen.purchases, seen.wrong = _wrong(platform)
    return seen


def summarise(seen: Soak, rate: int, minutes: float, load: dict[str, float]) -> Result:
    """The figures of a run."""
    settled = [one for one in seen.samples if one.minute >= min(SETTLED_MINUTES, minutes / 2)]
    names = sorted(settled[-1].memory_mib)
    seconds = np.array([length for minute, length in seen.batches if minute >= settled[0].minute])
    half = (settled[0].minute + minutes) / 2
    early = np.array([length for minute, length in seen.batches if settled[0].minute <= minute < half])
    late = np.array([length for minute, length in seen.batches if minute >= half])
    return Result(
        name="soak",
        settings={"purchases_per_s": rate, "minutes": minutes, "settled_after_minutes": settled[0].minute},
        metrics={
            **percentiles(seconds * 1000, "batch_"),
            **percentiles(late * 1000, "batch_second_half_"),
            "purchases": seen.purchases,
            "restarts": seen.restarts,
            "memory_mib_at_the_end": {name: round(settled[-1].memory_mib[name]) for name in names},
            "memory_growth_mib_per_hour": {name: _growth(settled, name) for name in names},
            "memory_growth_second_half_mib_per_hour": {
                name: _growth([one for one in settled if one.minute >= half], name) for name in names
            },
            "stream_live_heap_mib": seen.live_heap_mib,
            "most_files": {name: max(one.files.get(name, 0) for one in seen.samples) for name in settled[-1].files},
            "files_at_the_end": settled[-1].files,
            "most_lag_messages": max(one.lag for one in settled),
            "cores_used": {name: round(cores, 3) for name, cores in seen.cores.items()},
            "wrong": seen.wrong,
        },
        reference=Reference("the first half of the same run, once settled", percentiles(early * 1000, "batch_")),
        ratio={"batch_p50_second_half_to_first": round(float(np.median(late) / np.median(early)), 3)},
        load_average=load,
    )


def _growth(samples: list[Sample], name: str) -> float:
    """MiB per hour of a straight line through the memory of a service."""
    known = [(one.minute, one.memory_mib[name]) for one in samples if name in one.memory_mib]
    minute, memory = np.array(known).T
    return round(float(np.polyfit(minute / 60, memory, 1)[0]), 1) if len(known) > 2 else 0.0


def _sample(platform: Platform, minute: float) -> Sample:
    return Sample(minute, memory_mib(platform, SERVICES), _files(platform.site.lake), _lag(platform))


def _files(lake: Path) -> dict[str, int]:
    """Data files of the newest version of each table."""
    tables = sorted(folder for folder in lake.iterdir() if (folder / "_delta_log").exists()) if lake.exists() else []
    return {folder.name: pa.table(DeltaTable(str(folder)).get_add_actions()).num_rows for folder in tables}


def _lag(platform: Platform) -> int:
    text = httpx.get(f"http://127.0.0.1:{platform.site.ports.stream_metrics}/metrics", timeout=10).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return int(sum(one.value for one in samples if one.name == "stream_lag_messages"))


def _batches(platform: Platform, began: float) -> list[tuple[float, float]]:
    with psycopg.connect(platform.site.database_url("dbt")) as connection:
        rows = connection.execute(
            "select extract(epoch from committed_at)::float8 from ops.batches "
            "where not jsonb_exists(offsets, 'customer.messages') order by committed_at"
        ).fetchall()
    at = np.array([row[0] for row in rows])
    return [((end - began) / 60, end - start) for start, end in pairwise(at) if start >= began]


def _wrong(platform: Platform) -> tuple[int, dict[str, str]]:
    """Purchases in the ledger, and what the oracle finds wrong once the platform has had time to finish."""
    ledger = oracle.open_ledger(platform.data / "ledger")
    purchases = int(ledger.execute("select count(*) from purchases").fetchall()[0][0])
    deadline = time.monotonic() + RIGHT_WITHIN_S
    while True:
        ended_ms = int(ledger.execute("select max(event_time_ms) from purchases").fetchall()[0][0])
        wrong = {"fraud_scores": oracle.wrong_scores(ledger, platform.site.lake)}
        wrong |= oracle.wrong_windows(ledger, oracle.InLake(platform.site.lake), ended_ms)
        wrong = {name: text for name, text in wrong.items() if text}
        if not wrong or time.monotonic() > deadline:
            return purchases, wrong
        time.sleep(10)


def _line(sample: Sample) -> str:
    memory = ", ".join(f"{name} {used:.0f}" for name, used in sample.memory_mib.items())
    return f"{sample.minute:5.1f} min  lag {sample.lag:,}  files {sum(sample.files.values()):,}  MiB: {memory}"


def _text(result: Result, seen: Soak) -> list[str]:
    metrics: dict[str, Any] = result.metrics
    memory = [
        [
            name,
            used,
            metrics["memory_growth_mib_per_hour"][name],
            metrics["memory_growth_second_half_mib_per_hour"][name],
            f"{metrics['cores_used'].get(name, 0.0):.2f}",
        ]
        for name, used in metrics["memory_mib_at_the_end"].items()
    ]
    files = [[name, most, metrics["files_at_the_end"][name]] for name, most in metrics["most_files"].items()]
    verdict = "every score and every complete window equals the oracle's" if not seen.wrong else f"WRONG: {seen.wrong}"
    return [
        "# Soak: everything on, for an hour",
        "",
        f"{result.settings['purchases_per_s']:,} purchases/s for {result.settings['minutes']:.0f} minutes, "
        f"{metrics['purchases']:,} good purchases in the ledger: {verdict}. {metrics['restarts']} restarts.",
        "",
        f"From one commit of a batch to the next: p50 {metrics['batch_p50_ms']} ms, p99 {metrics['batch_p99_ms']} ms; "
        f"the median of the second half is {result.ratio['batch_p50_second_half_to_first']} of that of the first. "
        f"At most {metrics['most_lag_messages']:,} messages waited.",
        "",
        "![memory, batches and files over time](soak.png)",
        "",
        *table(["service", "MiB at the end", "MiB per hour", "in the second half", "cores"], memory),
        "",
        f"Growth is the slope after the first {result.settings['settled_after_minutes']:.0f} minutes. Pages that "
        f"processes share are divided among them. {_heap(*metrics['stream_live_heap_mib'])}",
        "",
        *table(["table of the lake", "most files", "files at the end"], files),
    ]


def _heap(settled: float | None, ended: float | None) -> str:
    if settled is None or ended is None:
        return "The heap was not looked into: there is no jcmd beside the Java that runs."
    return (
        "The heap of the stream's JVM is touched whole from the start. After a full collection "
        f"{settled:.0f} MiB of it were in use when growth began to count, {ended:.0f} at the end."
    )


def _report(name: str, seconds: float) -> None:
    typer.echo(f"  {name:16} {seconds:6.1f} s")


if __name__ == "__main__":
    typer.run(main)
