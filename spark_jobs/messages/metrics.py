"""What the analysis of messages tells Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

UP = Gauge("messages_up", "1 while messages are analysed, 0 while a neighbour is away.")
PROCESSED = Counter("messages_processed_total", "Messages analysed and stored.")
ERRORS = Counter("messages_errors_total", "Messages whose analysis failed; they are stored with the error.")
SUMMARIES = Counter("messages_summaries_total", "Summaries of long texts, by method.", ["method"])
LAG = Gauge("messages_lag_seconds", "Age of the newest message analysed while more wait; 0 when none does.")
VERSIONS_BEHIND = Gauge("messages_versions_behind", "Versions of Silver that were not read yet.")
TEXT_SECONDS = Histogram(
    "messages_text_duration_seconds",
    "Time to analyse one text, the LLM included.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10, 30),
)
