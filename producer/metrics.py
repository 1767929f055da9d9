"""The producer's Prometheus metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)


class ProducerMetrics:
    """What is sent, delivered and behind schedule."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter("producer_events", "Events handed to Kafka.", ["topic", "kind"], registry=registry)
        self.latency = Histogram(
            "producer_delivery_latency_seconds",
            "From handing an event over to its acknowledgement by all replicas.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.failures = Counter(
            "producer_delivery_failures", "Events that Kafka did not take in the end.", ["topic"], registry=registry
        )
        self.lag = Gauge(
            "producer_schedule_lag_seconds", "How far sending lies behind the schedule.", registry=registry
        )
        self.queue = Gauge("producer_queue_messages", "Events waiting for their acknowledgement.", registry=registry)


def serve_metrics(port: int, registry: CollectorRegistry) -> None:
    """Answer /metrics on this port from a background thread; 0 does nothing."""
    if port:
        ProcessCollector(registry=registry)
        start_http_server(port, registry=registry)
