"""Kafka as a sink: idempotent, acknowledged by all replicas, and waiting rather than dropping when it is full."""

from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from domain.contracts import topic_settings
from producer.events import Event
from producer.ledger import Ledger
from producer.metrics import ProducerMetrics
from producer.settings import ProducerSettings
from producer.wire import Encoder

PURGE_SECONDS = 5.0


class KafkaSink:
    """Encodes events and produces them; failures go to the ledger."""

    def __init__(self, settings: ProducerSettings, encoder: Encoder, ledger: Ledger, metrics: ProducerMetrics) -> None:
        self.acknowledged = 0
        self.failed = 0
        self._encoder = encoder
        self._ledger = ledger
        self._metrics = metrics
        self._trouble = ""
        self._producer = Producer(_configuration(settings) | {"error_cb": self._on_error})

    def offer(self, event: Event) -> bool:
        """Queue one event; False while the queue is full, as it becomes when the broker is away."""
        value = self._encoder.encode(event.topic, event.record, event.damage)
        try:
            self._producer.produce(event.topic, value, event.key, on_delivery=partial(self._on_delivery, event))
        except BufferError:
            return False
        except KafkaException as error:
            self._fail(event, error.args[0])
        return True

    def poll(self, patience_seconds: float = 0.0) -> None:
        """Serve the delivery reports that have come in, waiting at most this long for one."""
        self._producer.poll(patience_seconds)
        self._metrics.queue.set(len(self._producer))

    def finish(self, patience_seconds: float) -> None:
        """Wait for acknowledgements, at most this long; what is still unacknowledged then is given up and recorded."""
        if self._producer.flush(patience_seconds):
            self._producer.purge()
            self._producer.flush(PURGE_SECONDS)
        self._metrics.queue.set(len(self._producer))

    def state(self) -> str:
        """The broker's trouble as long as nothing was delivered since."""
        return self._trouble

    def _on_delivery(self, event: Event, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._fail(event, error)
            return
        self.acknowledged += 1
        self._trouble = ""
        self._metrics.latency.observe(message.latency() or 0.0)

    def _fail(self, event: Event, error: KafkaError) -> None:
        self.failed += 1
        self._trouble = error.str()
        self._metrics.failures.labels(event.topic).inc()
        self._ledger.record_undelivered(event)

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = f"Kafka: {error.str()}"


def _configuration(settings: ProducerSettings) -> dict[str, str | int | bool]:
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": "producer",
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 5,
        "partitioner": "murmur2_random",  # the Java clients' choice, so that every writer agrees on a key's partition
        "message.max.bytes": topic_settings()["max_message_bytes"],
        "delivery.timeout.ms": settings.delivery_timeout_seconds * 1000,
        "queue.buffering.max.messages": settings.queue_messages,
        "log_level": 2,
    }
