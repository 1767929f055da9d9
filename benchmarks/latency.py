"""From an event's creation to the KPI that counts it, everything running: `python -m benchmarks.latency`."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks import plots
from benchmarks.latency_run import FULL, Plan, Run, measure
from benchmarks.processes import OTHERS
from benchmarks.report import Reference, Result, destination, percentiles, table, write
from local.platform import Platform
from local.ports import Ports

COLD_S = 60.0
SLICE_S = 10.0


def main(
    rate: Annotated[int, typer.Option(min=1, help="Purchases per second.")] = FULL[0],
    warm_up: Annotated[float, typer.Option(min=1, help="Seconds before the measured part.")] = FULL[1],
    measured: Annotated[float, typer.Option(min=1, help="Seconds that are measured.")] = FULL[2],
) -> None:
    """Measure creation → visible in gold.v_executive_kpis. Any option makes it a trial, kept in var/benchmarks."""
    plan = Plan(rate, warm_up, measured)
    folder = Path(tempfile.mkdtemp(prefix="latency-"))
    with Platform(folder, Ports.free(), report=_report) as platform:
        run = measure(platform, plan)
    result = summarise(plan, run)
    readable = write(result, _text(result), destination(plan.is_full))
    plots.latency(run.journeys, run.began, run.warm, readable.with_suffix(".png"))
    shutil.rmtree(folder)
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")


def summarise(plan: Plan, run: Run) -> Result:
    """The figures of a run."""
    warm, cold = run.journeys.during(run.warm, run.ended), run.journeys.during(run.began, run.began + COLD_S)
    scored = run.scored.during(run.warm, run.ended)
    total, bare = percentiles(warm.total), percentiles(run.bare)
    return Result(
        name="latency",
        settings={
            "purchases_per_s": plan.rate,
            "warm_up_s": plan.warm_up,
            "measured_s": plan.measured,
            "cold_s": min(COLD_S, plan.warm_up + plan.measured),
        },
        metrics={
            **total,
            **percentiles(cold.total, "cold_"),
            **percentiles(warm.to_kafka, "creation_to_kafka_"),
            **percentiles(warm.to_commit, "kafka_to_commit_"),
            **percentiles(warm.to_screen, "commit_to_kpi_"),
            **percentiles(scored.total, "score_"),
            **percentiles(scored.to_commit, "kafka_to_score_"),
            **percentiles(run.alerts, "alert_"),
            "alerts": len(run.alerts),
            **percentiles(run.kpi_query, "kpi_query_"),
            **percentiles(run.api, "api_kpis_"),
            "events": len(warm.total),
            "late_by_design_events": run.late,
            "payments_per_s": round(len(warm.total) / plan.measured, 1),
            "batches": run.batches,
            "batch_s": round(plan.measured / max(run.batches, 1), 2),
            "dbt_builds": run.dbt_builds,
            "cores_used": {name: round(cores, 3) for name, cores in run.cores.items()},
            "p99_ms_by_10_s": _by_slice(run),
        },
        reference=Reference("plain consumer of one partition, creation to receipt, in the same run", bare),
        ratio={name: round(total[name] / bare[name], 1) for name in total if bare.get(name)},
        load_average=run.load_average,
    )


def _by_slice(run: Run) -> list[float]:
    starts = np.arange(run.began, run.ended, SLICE_S)
    slices = [run.journeys.during(start, start + SLICE_S).total for start in starts]
    return [percentiles(one).get("p99_ms", 0.0) for one in slices]


def _text(result: Result) -> list[str]:
    metrics = result.metrics
    stretches = {
        "creation → KPI, warm": "",
        "creation → KPI, first minute": "cold_",
        "  creation → Kafka client": "creation_to_kafka_",
        "  Kafka client → commit in Postgres": "kafka_to_commit_",
        "  commit → KPI read": "commit_to_kpi_",
        "checkout → fraud score seen": "score_",
        "  Kafka client → score committed": "kafka_to_score_",
        "checkout → alert received from fraud.alerts": "alert_",
        "one query of the KPI view": "kpi_query_",
        "GET /api/analytics/kpis": "api_kpis_",
    }
    names = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
    rows = [[what, *(metrics.get(prefix + name, "") for name in names)] for what, prefix in stretches.items()]
    rows.append(["plain consumer, creation → receipt", *(result.reference.metrics.get(name, "") for name in names)])
    own = {name: cores for name, cores in metrics["cores_used"].items() if name != OTHERS}
    hungriest = max(own, key=lambda name: own[name])
    return [
        "# Latency: from a purchase to the KPI",
        "",
        f"{result.settings['purchases_per_s']:,} purchases/s, {metrics['payments_per_s']:,.0f} payment events/s, "
        "everything running; milliseconds. The stretches are percentiles of their own and do not add up.",
        "",
        *table(["", "p50", "p95", "p99", "max"], rows),
        "",
        "![p50, p95 and p99 by 10 seconds](latency.png)",
        "",
        f"{metrics['events']:,} events were measured; {metrics['late_by_design_events']:,} of the whole run, made late "
        f"on purpose by the producer, are left out. A batch took {metrics['batch_s']} s on average; dbt built "
        f"{metrics['dbt_builds']} times. The KPI was read every 50 ms by the API's role.",
        "",
        "## Who used the processor",
        "",
        *table(["process", "cores"], [[name, f"{cores:.2f}"] for name, cores in metrics["cores_used"].items()]),
        "",
        f"Without other programs {sum(own.values()):.2f} of {result.machine.cores} cores, most of it in the "
        f"{hungriest}. An event waits for the batch under way and then for its own: the time of a batch is the limit.",
    ]


def _report(name: str, seconds: float) -> None:
    typer.echo(f"  {name:16} {seconds:6.1f} s")


if __name__ == "__main__":
    typer.run(main)
