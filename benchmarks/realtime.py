"""Spark's real-time mode beside its micro-batches, Kafka to Kafka: `python -m benchmarks.realtime`.

The path is the shortest that could tell an alert: decode nothing, keep nothing, pass each checkout on. It says what a
second way to alerts would gain; why there is none: docs/adr/0010.
"""

import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from confluent_kafka import Producer, TopicPartition
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from benchmarks.bare_consumer import open_consumer, partitions
from benchmarks.report import Floats, Reference, Result, destination, load_average, percentiles, table, write
from domain.contracts import outputs
from local.artifacts import ensure
from local.platform import Platform
from local.ports import Ports
from producer.events import CHECKOUTS
from spark_jobs.session import make_session
from spark_jobs.settings import StreamSettings

FULL = 60.0
WARM_UP_S = 30.0
RATE = 500
CHECKPOINT_EVERY = "10 seconds"
"""How often real-time mode writes down how far it is."""

ALERTS = outputs()["fraud.alerts"].name
MODES = {"real_time": "real-time mode", "micro_batch": "micro-batches without a pause"}


def main(measured: Annotated[float, typer.Option(min=1, help="Seconds that are measured, per mode.")] = FULL) -> None:
    """Measure creation → receipt through either mode. Any option makes it a trial, kept in var/benchmarks."""
    load = load_average()
    seen = {mode: _measure(mode, measured) for mode in MODES}
    metrics = {f"{mode}_{name}": value for mode, waits in seen.items() for name, value in percentiles(waits).items()}
    reference = percentiles(seen["micro_batch"])
    fast = percentiles(seen["real_time"])
    ratio = {name: round(fast[name] / reference[name], 3) for name in fast if reference.get(name)}
    settings = {"messages_per_s": RATE, "warm_up_s": WARM_UP_S, "measured_s": measured}
    result = Result("realtime", settings, metrics, Reference(MODES["micro_batch"], reference), ratio,
                    {"before": load, "after": load_average()})  # fmt: skip
    names = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
    rows = [[what, *(metrics.get(f"{mode}_{name}", "") for name in names)] for mode, what in MODES.items()]
    text = ["# Real-time mode: Kafka to Kafka, nothing kept", "", *table(["", "p50", "p95", "p99", "max"], rows), "",
            f"Milliseconds from a message's creation to its receipt, {RATE} a second."]  # fmt: skip
    readable = write(result, text, destination(measured == FULL))
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")


def _measure(mode: str, measured: float) -> Floats:
    folder = Path(tempfile.mkdtemp(prefix="realtime-"))
    with Platform(folder, Ports.free()) as platform:
        platform.start("kafka", "init")
        spark = make_session("realtime", StreamSettings(DATABASE_URL="unused", jars_dir=ensure("spark")))
        query = _start(spark, platform.site.kafka, folder / "checkpoint", is_real_time=mode == "real_time")
        try:
            waits = _pass_messages(platform.site.kafka, measured)
        finally:
            query.stop()
            spark.stop()
    shutil.rmtree(folder)
    return waits


def _start(spark: SparkSession, servers: str, checkpoint: Path, *, is_real_time: bool) -> StreamingQuery:
    source = {"kafka.bootstrap.servers": servers, "subscribe": CHECKOUTS, "startingOffsets": "latest"}
    messages = spark.readStream.format("kafka").options(**source).load().select("key", "value")
    sink = {"kafka.bootstrap.servers": servers, "topic": ALERTS, "checkpointLocation": str(checkpoint)}
    writer = messages.writeStream.format("kafka").options(**sink).outputMode("update")
    if is_real_time:
        # Python has no argument for it in 4.1; the JVM's writer takes it.
        trigger = spark._jvm.org.apache.spark.sql.streaming.Trigger.RealTime(CHECKPOINT_EVERY)  # type: ignore[union-attr]
        writer._jwrite = writer._jwrite.trigger(trigger)
    return writer.start()


def _pass_messages(servers: str, measured: float) -> Floats:
    """Send messages that name their own creation, and wait for them on the other side."""
    consumer = open_consumer(servers)
    consumer.assign([TopicPartition(ALERTS, one.partition, end) for one, end in partitions(consumer, ALERTS)])
    ends = time.time() + WARM_UP_S + measured
    sender = threading.Thread(target=_send_until, args=[servers, ends])
    sender.start()
    received = []
    while time.time() < ends + 5:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            received.append((float(message.value() or b"nan"), time.time()))
    sender.join()
    consumer.close()
    pairs = np.array(received, dtype=np.float64).reshape(-1, 2)
    warm = pairs[pairs[:, 0] >= ends - measured]
    waits: Floats = (warm[:, 1] - warm[:, 0]) * 1000
    return waits


def _send_until(servers: str, ends: float) -> None:
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 1})
    while time.time() < ends:
        producer.produce(CHECKOUTS, repr(time.time()), b"key")
        producer.poll(0)
        time.sleep(1 / RATE)
    producer.flush(10)


if __name__ == "__main__":
    typer.run(main)
