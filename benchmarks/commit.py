"""What one append to a Delta table costs, by writer: `python -m benchmarks.commit`. The evidence behind ADR 0002."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import pyarrow as pa
import typer
from pyspark.sql import DataFrame, SparkSession

from benchmarks.report import Reference, Result, destination, load_average, percentiles, table, write
from local.artifacts import ensure
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.session import make_session
from spark_jobs.settings import StreamSettings

FULL = (60, 1_000)
WARM_UP = 20
COLUMNS = 42
STREAM = "bench"
SPARK_AT_ITS_BEST = {
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.properties.defaults.checkpointInterval": "100",
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "8",
}
"""Without these an append by Spark costs several times as much on a machine this small, which would prove nothing."""

Append = Callable[[int], None]


def main(
    commits: Annotated[int, typer.Option(min=5, help="Measured appends of each writer.")] = FULL[0],
    rows: Annotated[int, typer.Option(min=1, help="Rows in each append.")] = FULL[1],
) -> None:
    """Append the same rows with each writer in turn. Any option makes it a trial, kept in var/benchmarks."""
    folder = Path(tempfile.mkdtemp(prefix="commit-"))
    load = load_average()
    spark = make_session("bench-commit", _settings())
    for name, value in SPARK_AT_ITS_BEST.items():
        spark.conf.set(name, value)
    writers = _writers(spark, folder, _rows(rows))
    wall, cpu = _measure(spark, writers, commits)
    spark.stop()
    shutil.rmtree(folder)
    metrics = {name: percentiles(np.array(wall[name])) | {"cpu_ms": round(cpu[name], 1)} for name in writers}
    slowest, chosen = metrics["spark_transactional"], metrics["delta_rs"]
    result = Result(
        name="commit",
        settings={"commits": commits, "rows": rows, "columns": COLUMNS, "warm_up": WARM_UP},
        metrics=metrics,
        reference=Reference("Spark's writer with txnAppId and txnVersion, same rows, same run, in turn", slowest),
        ratio={figure: round(chosen[figure] / slowest[figure], 3) for figure in ("p50_ms", "cpu_ms")},
        load_average={"before": load, "after": load_average()},
    )
    lines = table(
        ["writer", "p50 ms", "p95 ms", "p99 ms", "processor ms"],
        [[name, *(metrics[name][key] for key in ("p50_ms", "p95_ms", "p99_ms", "cpu_ms"))] for name in writers],
    )
    head = [
        "# One append to a Delta table",
        "",
        f"{rows:,} rows of {COLUMNS} columns, the writers in turn, each on a table of its own. Processor time is "
        "that of this process and its JVM, per append.",
        "",
    ]
    typer.echo("\n".join(lines))
    typer.echo(write(result, [*head, *lines], destination((commits, rows) == FULL)))


def _settings() -> StreamSettings:
    return StreamSettings(DATABASE_URL="unused", SPARK_MASTER="local[2]", jars_dir=ensure("spark"))


def _rows(count: int) -> pa.Table:
    """Columns of the kinds that Silver has, with a partition column of one value."""
    numbers = np.arange(count)
    kinds = [numbers, numbers / 7, [f"value {number % 97}" for number in numbers]]
    columns = {f"c{at}": pa.array(kinds[at % len(kinds)]) for at in range(COLUMNS - 1)}
    return pa.table({**columns, "day": pa.array(["2026-03-01"] * count)})


def _writers(spark: SparkSession, folder: Path, rows: pa.Table) -> dict[str, Append]:
    lake = Lake(str(folder))
    frame = spark.createDataFrame(rows).coalesce(1).cache()
    return {
        "spark_transactional": _spark_append(frame, folder / "transactional", is_transactional=True),
        "spark_plain": _spark_append(frame, folder / "plain", is_transactional=False),
        "delta_rs": lambda batch: lake.append("delta_rs", rows, BatchIdentity(STREAM, batch), "day"),
    }


def _spark_append(frame: DataFrame, table_folder: Path, *, is_transactional: bool) -> Append:
    def append(batch: int) -> None:
        writer = frame.write.format("delta").mode("append").partitionBy("day")
        if is_transactional:
            writer = writer.option("txnAppId", STREAM).option("txnVersion", batch)
        writer.save(str(table_folder))

    return append


def _measure(
    spark: SparkSession, writers: dict[str, Append], commits: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Milliseconds of each append, and processor milliseconds per append, by writer."""
    wall: dict[str, list[float]] = {name: [] for name in writers}
    cpu = dict.fromkeys(writers, 0.0)
    for batch in range(WARM_UP + commits):
        for name, append in writers.items():
            seconds, processor = time.perf_counter(), _processor_seconds()
            append(batch)
            if batch >= WARM_UP:
                wall[name].append((time.perf_counter() - seconds) * 1000)
                cpu[name] += (_processor_seconds() - processor) * 1000 / commits
    return wall, cpu


def _processor_seconds() -> float:
    own = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in [own, *own.children(recursive=True)])


if __name__ == "__main__":
    typer.run(main)
