"""What the watch tells Prometheus."""

from prometheus_client import Counter, Gauge

VALUE = Gauge(
    "watching_drift_distance",
    "Newest distance from the test period: stability index, log odds or growth of the log loss.",
    ["model", "version", "kind", "feature"],
)
OPEN = Gauge("watching_drift_open", "Drifts that have not ended.", ["model", "version", "kind"])
ROWS = Gauge("watching_requests", "Requests in the newest hour that was looked at.", ["model", "version"])
WITHOUT_REFERENCE = Gauge("watching_versions_without_reference", "Versions that answer and cannot be judged.")
ASKED = Gauge("watching_retraining_open", "Whether training again is asked for or under way.", ["model"])
LAST_SUCCESS = Gauge("watching_last_success_timestamp_seconds", "When a round last came to its end, Unix time.")
LAG = Gauge("watching_lag_seconds", "Age of the end of the newest hour that was judged.")
RETRIES = Counter("watching_retries_total", "Rounds that failed and were made again.")
