"""What the watcher tells Prometheus."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge

from ml.anomalies.incident import Incident

OPEN = Gauge("anomalies_open", "Anomalies that have not ended.", ["metric", "severity"])
FOUND = Counter("anomalies_found_total", "Anomalies that were found.", ["metric"])
LAST_SUCCESS = Gauge("anomalies_last_success_timestamp_seconds", "When the newest minute was judged, Unix time.")
LAG = Gauge("anomalies_lag_seconds", "Age of the end of the newest minute that was judged.")
APPROVAL = Gauge("anomalies_hourly_approval_ratio", "Share approved in the last hour that was judged; NaN without any.")
RETRIES = Counter("anomalies_retries_total", "Rounds that failed and were made again.")


def show_open(incidents: Iterable[Incident], metrics: Iterable[str]) -> None:
    """Count the open anomalies by metric and severity; zero where there is none."""
    listed = [one for one in incidents if one.is_open]
    for metric in metrics:
        for severity in ("warning", "critical"):
            OPEN.labels(metric, severity).set(sum((one.metric, one.severity) == (metric, severity) for one in listed))
