"""What Prometheus sees of decisions: answers and their time by model and arm, versions, the record."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.decisions.versions import Models
from serving.tallies import Tallies

BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)


class Recorded(Protocol):
    """How far the record is."""

    @property
    def name(self) -> str:
        """Which part of the record."""

    @property
    def waiting(self) -> int:
        """Answers that are still to be written."""

    @property
    def written(self) -> int:
        """Answers that were."""

    @property
    def dropped(self) -> int:
        """Answers that were lost."""


class DecisionMetrics:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answers = Tallies(
            ("api_inferences", "Answers of models."),
            ("api_inference_duration_seconds", "From the decoded request to the model's answer."),
            ("model", "arm"),
            BUCKETS,
        )
        registry.register(self.answers)
        self.reload_failures = Counter(
            "api_model_reload_failures",
            "Versions that could not be taken, by model and alias.",
            ("model", "alias"),
            registry=registry,
        )


class ModelsCollector(Collector):
    """Which versions are served, and how far the record is, at the moment of the scrape."""

    def __init__(
        self,
        models: Callable[[], Models],
        sinks: Iterable[Recorded],
        failures: Callable[[], Iterable[tuple[str, str]]],
        reachable: Callable[[], bool | None],
        now: Callable[[], datetime],
    ) -> None:
        self.models = models
        self.sinks = list(sinks)
        self.failures = failures
        self.reachable = reachable
        self.now = now

    def collect(self) -> Iterable[Metric]:
        labels = ["model", "alias", "version"]
        info = GaugeMetricFamily("api_model_info", "Versions that are served; always 1.", labels=labels)
        age = GaugeMetricFamily("api_model_served_seconds", "For how long this version is served here.", labels=labels)
        for model, pair in self.models().items():
            for alias, version in (("champion", pair.champion), ("challenger", pair.challenger)):
                if version is not None:
                    values = [model, alias, str(version.number)]
                    info.add_metric(values, 1)
                    age.add_metric(values, (self.now() - version.since).total_seconds())
        yield info
        yield age
        not_taken = GaugeMetricFamily(
            "api_model_not_taken", "Aliases whose version cannot be served; always 1.", labels=["model", "alias"]
        )
        for model, alias in self.failures():
            not_taken.add_metric([model, alias], 1)
        yield not_taken
        reachable = self.reachable()
        if reachable is not None:
            yield GaugeMetricFamily("api_model_registry_up", "Whether MLflow answered last.", value=float(reachable))
        yield from self._record()

    def _record(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("api_inference_log_waiting", "Answers not yet in the record.", labels=["sink"])
        written = CounterMetricFamily("api_inference_log_written", "Answers that reached the record.", labels=["sink"])
        dropped = CounterMetricFamily("api_inference_log_dropped", "Answers that the record lost.", labels=["sink"])
        for sink in self.sinks:
            waiting.add_metric([sink.name], sink.waiting)
            written.add_metric([sink.name], sink.written)
            dropped.add_metric([sink.name], sink.dropped)
        yield from (waiting, written, dropped)
