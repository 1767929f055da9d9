"""The one place where a SparkSession is made."""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from spark_jobs.settings import StreamSettings

MAX_AVRO_STRING_BYTES = 8 * 1024 * 1024
"""Garbage that happens to announce a huge string must fail to decode rather than exhaust the heap."""

JVM_OPTIONS = " ".join(
    [
        "-XX:+UseParallelGC",
        # Room for what is under way when the young generation is full, or batches would move into the old one.
        "-XX:NewRatio=1",
        "-XX:SurvivorRatio=4",
        "-XX:-UseAdaptiveSizePolicy",
        # The fused method of a plan this wide is over the size that HotSpot compiles by itself.
        "-XX:-DontCompileHugeMethods",
        "-Darrow.enable_unsafe_memory_access=true",
        "-Darrow.enable_null_check_for_get=false",
        # Its cache keeps a reader for each schema ever parsed, and Spark parses them anew in each batch: AVRO-4253.
        "-Dorg.apache.avro.fastread=false",
        "-Duser.timezone=UTC",
        f"-Dorg.apache.avro.limits.string.maxLength={MAX_AVRO_STRING_BYTES}",
        f"-Dorg.apache.avro.limits.bytes.maxLength={MAX_AVRO_STRING_BYTES}",
    ]
)


class JarsMissing(RuntimeError):
    """The folder of Spark's extra jars is absent or empty."""


def jar_list(folder: Path) -> str:
    """The jars of a folder as Spark wants them, comma-separated."""
    jars = sorted(folder.resolve().glob("*.jar"))
    if not jars:
        raise JarsMissing(f"no jars in {folder}: fetch them with `python -m local fetch`, or set STREAM_JARS_DIR")
    return ",".join(str(jar) for jar in jars)


def make_session(name: str, settings: StreamSettings) -> SparkSession:
    """A session with Kafka, Avro and Delta on its class path, in UTC."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name).master(settings.spark_master)
    for key, value in _configuration(settings).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel(settings.log_level)
    return session


def _cluster(settings: StreamSettings) -> dict[str, str]:
    """What matters only where executors are processes of their own; what is empty is left to Spark."""
    chosen = {
        "spark.driver.host": settings.driver_host,
        "spark.driver.bindAddress": settings.driver_bind_address,
        "spark.executor.memory": settings.executor_memory,
        "spark.executor.cores": str(settings.executor_cores),
        "spark.cores.max": str(settings.cores_max or ""),
    }
    return {key: value for key, value in chosen.items() if value}


def _configuration(settings: StreamSettings) -> dict[str, str]:
    return {
        **_cluster(settings),
        "spark.jars": jar_list(settings.jars_dir),
        "spark.driver.memory": settings.driver_memory,
        # All of the heap from the start, and touched: as much memory in the first minute as after a week.
        "spark.driver.extraJavaOptions": f"-Xms{settings.driver_memory} -XX:+AlwaysPreTouch {JVM_OPTIONS}",
        "spark.executor.extraJavaOptions": JVM_OPTIONS,
        "spark.driver.maxResultSize": "0",
        "spark.ui.enabled": str(settings.ui_port > 0).lower(),
        "spark.ui.port": str(settings.ui_port or 4040),
        "spark.ui.showConsoleProgress": "false",
        # Kept with or without that page. A thousand of each are minutes of batches, which would grow old in the heap.
        "spark.ui.retainedJobs": "20",
        "spark.ui.retainedStages": "20",
        "spark.ui.retainedTasks": "200",
        "spark.sql.ui.retainedExecutions": "20",
        "spark.locality.wait": "0s",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.enabled": "false",
        # Inferring constraints from fifty derived columns takes the optimiser minutes; no join here would gain by it.
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.stopTimeout": "15s",
        # The default asks for a `readlink` process several times a batch where Hadoop has no native library.
        "spark.sql.streaming.checkpointFileManagerClass": (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        ),
        "spark.sql.ui.explainMode": "simple",
    }
