"""Wires a stream of events to its destination: broker, registry, ledger, metrics, signals and the summary."""

import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag

from prometheus_client import CollectorRegistry

from domain.contracts import topics
from producer.errors import ProducerError
from producer.events import MESSAGES, Event
from producer.kafka import KafkaSink
from producer.ledger import CsvLedger, Ledger, NoLedger
from producer.metrics import ProducerMetrics, serve_metrics
from producer.progress import Progress
from producer.pump import Clock, Pump
from producer.registry import SchemaRegistry
from producer.settings import ProducerSettings
from producer.sinks import JsonLinesSink, Sink
from producer.topics import create_topics, register_schemas, wait_for_broker
from producer.wire import Encoder

STOPPED_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class Destination:
    """Where events go and what is kept of them."""

    ledger: Path | None = None
    to: Path | None = None  # a file instead of Kafka
    with_messages: bool = True


def initialise(settings: ProducerSettings, progress: Progress) -> None:
    """Create what is missing of topics and schemas; ProducerError when broker or registry do not answer or refuse."""
    admin = wait_for_broker(settings.kafka_bootstrap_servers, settings.wait_seconds, progress.say)
    created = create_topics(admin, settings)
    schema_ids = _schema_ids(settings, progress)
    for topic in topics():
        progress.say(f"{topic}: {'created' if topic in created else 'present'}, schema id {schema_ids[topic]}")


def send(events: Iterable[Event], destination: Destination, settings: ProducerSettings, clock: Clock) -> bool:
    """Send all events, or until SIGINT or SIGTERM; True when none failed."""
    progress = Progress()
    registry = CollectorRegistry()
    metrics = ProducerMetrics(registry)
    serve_metrics(settings.metrics_port, registry)
    if not destination.with_messages:
        events = (event for event in events if event.topic != MESSAGES)
    with ExitStack() as open_things:
        ledger: Ledger = NoLedger()
        if destination.ledger is not None:
            ledger = open_things.enter_context(CsvLedger(destination.ledger))
        sink = _sink(destination, settings, ledger, metrics, progress, open_things)
        stop = open_things.enter_context(_stop_on_signals())
        pump = Pump(sink, ledger, metrics, clock, stop)
        pump.on_slice = lambda: progress.update(pump.sent, sink, pump.lag_ms)
        pump.run(events)
        sink.finish(STOPPED_PATIENCE_SECONDS if stop.is_set() else settings.delivery_timeout_seconds + 5.0)
        progress.summary(pump.sent, sink)
        return sink.failed == 0 and pump.unsent == 0


def _sink(
    destination: Destination,
    settings: ProducerSettings,
    ledger: Ledger,
    metrics: ProducerMetrics,
    progress: Progress,
    open_things: ExitStack,
) -> Sink:
    if destination.to is not None:
        return JsonLinesSink(open_things.enter_context(destination.to.open("w", encoding="utf-8")))
    admin = wait_for_broker(settings.kafka_bootstrap_servers, settings.wait_seconds, progress.say)
    missing = [topic for topic in topics() if topic not in admin.list_topics(timeout=10).topics]
    if missing:
        raise ProducerError(f"Kafka has no topic {', '.join(missing)}. Run `python -m producer init` first.")
    return KafkaSink(settings, Encoder(_schema_ids(settings, progress)), ledger, metrics)


def _schema_ids(settings: ProducerSettings, progress: Progress) -> dict[str, int]:
    registry = SchemaRegistry(settings.schema_registry_url, progress.say, settings.wait_seconds)
    try:
        return register_schemas(registry)
    finally:
        registry.close()


@contextmanager
def _stop_on_signals() -> Iterator[Flag]:
    """A flag that SIGINT and SIGTERM set instead of ending the process."""
    stop = Flag()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
