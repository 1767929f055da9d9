"""How fast filled topics go through Bronze, Silver and Postgres: `python -m benchmarks.throughput`."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import bare_consumer, plots
from benchmarks.drain import SIDE_SERVICES, Drain, Reading, drain
from benchmarks.filler import fill, templates
from benchmarks.processes import OTHERS, between
from benchmarks.report import Reference, Result, destination, load_average, table, this_machine, write
from local.platform import Platform
from local.ports import Ports
from producer.events import CHECKOUTS, PAYMENTS
from producer.registry import SchemaRegistry
from producer.topics import register_schemas
from producer.wire import Encoder

FULL = (1_500_000, 20.0)
MICRO = 1_000_000
BUSY = 0.85
"""Share of all cores from which on the processors are the limit."""

DISTURBED_CORES = 0.2
"""What other programs may use before a run no longer says much."""

STEPS = {
    "collect": "read Kafka, decode, validate, collect as Arrow",
    "scores": "score purchases: history, velocity, rules",
    "postgres": "the rest of the commit to Postgres",
    "lake": "wait for the lake after Postgres",
    "bookkeeping": "Spark's offsets, planning and checkpoints",
}


@dataclass(frozen=True)
class Rates:
    """Where the time went in the steady part."""

    events: int
    seconds: float
    wall: dict[str, float]
    """Microseconds per event in each step of a batch. The steps follow on each other; what none of them took is
    bookkeeping, for a stream that drains never idles."""
    cpu: dict[str, float]
    """Microseconds of processor time per event, by process."""
    cores: dict[str, float]


def main(
    events: Annotated[int, typer.Option(min=10_000, help="Messages over both topics.")] = FULL[0],
    skip: Annotated[float, typer.Option(min=0, help="Seconds left out of the steady part.")] = FULL[1],
) -> None:
    """Fill the topics, drain them with the stream alone, then once more with everything on.

    Any option makes it a trial, kept in var/benchmarks.
    """
    load = load_average()
    alone, _ = _drained(events, skip, beside=())
    seen, plain = _drained(events, skip, beside=SIDE_SERVICES)
    reference = Reference(
        "plain consumer: read, decode with fastavro, drop; one process, same topics, same run",
        {"events_per_s": round(plain)},
    )
    settings = {"events": events, "skip_s": skip}
    result = summarise(seen, alone, reference, settings, {"before": load, "after": load_average()})
    readable = write(result, _text(result), destination((events, skip) == FULL))
    ends = [at - seen.ready.at for at in seen.committed_at]
    plots.throughput(ends, seen.records, skip, readable.with_suffix(".png"))
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")


def _drained(events: int, skip: float, beside: Sequence[str]) -> tuple[Drain, float]:
    """A drain on a platform of its own, and the events per second of a plain consumer just before."""
    folder = Path(tempfile.mkdtemp(prefix="throughput-"))
    with Platform(folder, Ports.free()) as platform:
        sent = _fill(platform, events)
        read, seconds = bare_consumer.drain(platform.site.kafka, [PAYMENTS, CHECKOUTS])
        typer.echo(
            f"plain consumer: {read / seconds:,.0f} events/s; the stream begins, beside it {beside or 'nothing'}"
        )
        seen = drain(platform, events, skip, beside)
    shutil.rmtree(folder)
    _refuse_wrong_counts(sent, seen)
    return seen, read / seconds


def summarise(
    seen: Drain, alone: Drain, reference: Reference, settings: dict[str, float], load: dict[str, float]
) -> Result:
    """The figures of a drain with everything on, beside those of the stream alone."""
    steady, quiet = rates(seen.steady, seen.done), rates(alone.steady, alone.done)
    speeds = {
        "events_per_s": round(seen.done.events / (seen.done.at - seen.ready.at)),
        "steady_events_per_s": round(steady.events / steady.seconds),
        "stream_alone_steady_events_per_s": round(quiet.events / quiet.seconds),
    }
    metrics = {
        **speeds,
        "seconds": round(seen.done.at - seen.ready.at, 1),
        "batches": len(seen.records),
        "wall_us_per_event": _rounded(steady.wall),
        "stream_alone_wall_us_per_event": _rounded(quiet.wall),
        "cpu_us_per_event": _rounded(steady.cpu),
        "cores_used": _rounded(steady.cores, 2),
        "rows": seen.counts,
    }
    ratio = _rounded({name: speed / reference.metrics["events_per_s"] for name, speed in speeds.items()}, 2)
    return Result("throughput", settings, metrics, reference, ratio, load)


def rates(start: Reading, end: Reading) -> Rates:
    """Microseconds per event between two readings. Raises ValueError when nothing was done between them."""
    events, seconds = end.events - start.events, end.at - start.at
    if events <= 0:
        raise ValueError("everything was drained before the steady part began: send more events or skip less")
    steps = {name: end.steps.get(name, 0.0) - start.steps.get(name, 0.0) for name in end.steps}
    steps["bookkeeping"] = max(0.0, seconds - sum(steps.values()))
    cpu = between(start.cpu, end.cpu)
    return Rates(
        events,
        seconds,
        {name: spent * MICRO / events for name, spent in steps.items()},
        {name: spent * MICRO / events for name, spent in cpu.items()},
        {name: spent / seconds for name, spent in cpu.items()},
    )


def bottleneck(wall: dict[str, float], cores: dict[str, float], available: int) -> str:
    """What to speed up next, in a sentence, from where the time of a batch and the processors went."""
    own = {name: used for name, used in cores.items() if name != OTHERS}
    step, process = max(wall, key=lambda name: wall[name]), max(own, key=lambda name: own[name])
    share, busy = wall[step] / sum(wall.values()), sum(cores.values()) / available
    limit = (
        "The processors are the limit" if busy > BUSY else "The processors are not the limit, waiting between steps is"
    )
    if cores.get(OTHERS, 0.0) > DISTURBED_CORES:
        limit = f"Other programs took {cores[OTHERS]:.2f} cores, so this run says little. {limit}"
    return (
        f"{limit}: {busy:.0%} of {available} cores are busy, {own[process]:.2f} of them in the {process}. "
        f"Of a batch's time {share:.0%} goes to the step `{step}` ({STEPS.get(step, step)}): the next to improve."
    )


def _fill(platform: Platform, events: int) -> dict[str, int]:
    platform.start("kafka", "registry", "postgres", "migrate", "init")
    registry = SchemaRegistry(platform.site.registry, typer.echo)
    try:
        encoder = Encoder(register_schemas(registry))
    finally:
        registry.close()
    sent = fill(platform.site.kafka, templates(encoder), events)
    typer.echo(f"filled: {sent}")
    return sent


def _refuse_wrong_counts(sent: dict[str, int], seen: Drain) -> None:
    everything = sum(sent.values())
    expected = {
        "live.payments": sent[PAYMENTS],
        "live.transactions": sent[CHECKOUTS],
        "attempts in the cube": sent[PAYMENTS],
        "scores": sent[CHECKOUTS],
        "Bronze": everything,
        "Silver": everything,
    }
    if seen.counts != expected:
        raise RuntimeError(f"events were lost or doubled: sent {expected}, found {seen.counts}")


def _rounded(figures: dict[str, float], digits: int = 1) -> dict[str, float]:
    return {name: round(value, digits) for name, value in figures.items()}


def _text(result: Result) -> list[str]:
    metrics, machine = result.metrics, this_machine()
    plain = int(result.reference.metrics["events_per_s"])
    speeds = [
        ["all of it, from the stream's readiness on", metrics["events_per_s"], f"{result.ratio['events_per_s']:.2f}"],
        ["steady", metrics["steady_events_per_s"], f"{result.ratio['steady_events_per_s']:.2f}"],
        [
            "steady, with nothing beside the stream",
            metrics["stream_alone_steady_events_per_s"],
            f"{result.ratio['stream_alone_steady_events_per_s']:.2f}",
        ],
        ["plain consumer", plain, "1.00"],
    ]
    quiet = metrics["stream_alone_wall_us_per_event"]
    wall = [[STEPS.get(name, name), value, quiet[name]] for name, value in metrics["wall_us_per_event"].items()]
    cpu = [[name, value, f"{metrics['cores_used'][name]:.2f}"] for name, value in metrics["cpu_us_per_event"].items()]
    return [
        "# Throughput: draining filled topics into Bronze, Silver and Postgres",
        "",
        f"{result.settings['events']:,} messages over both topics in {metrics['batches']} batches and "
        f"{metrics['seconds']} s. Steady leaves out the first {result.settings['skip_s']:.0f} s.",
        "",
        *table(["", "events/s", "ratio"], speeds),
        "",
        f"Reference, {result.reference.what}.",
        "",
        "![events per second of each batch](throughput.png)",
        "",
        "Rows at the end, equal to what was sent: "
        + ", ".join(f"{where} {rows:,}" for where, rows in metrics["rows"].items()) + ".",
        "",
        "## Where the microseconds go, per event, in the steady part",
        "",
        *table(["step of a batch", "µs, everything on", "µs, stream alone"], wall),
        "",
        *table(["process", "µs of processor", "cores"], cpu),
        "",
        bottleneck(metrics["wall_us_per_event"], metrics["cores_used"], machine.cores),
    ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
