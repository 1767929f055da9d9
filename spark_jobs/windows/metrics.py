"""What the windows tell Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

UP = Gauge("windows_up", "1 once the windows are being computed, 0 while something they need is away.")
LAG = Gauge("windows_lag_seconds", "Age of the newest purchase that is counted, when it was counted.")
VERSIONS_BEHIND = Gauge("windows_versions_behind", "Commits of Silver that are not counted yet.")
PURCHASES = Counter("windows_purchases_total", "Purchases counted.")
ROWS = Counter("windows_rows_total", "Rows computed, by table and by where they went.", ["table", "target"])
TICK_SECONDS = Histogram(
    "windows_tick_duration_seconds",
    "Time to bring the live tables up to a new version of Silver.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
LAKE_SECONDS = Histogram(
    "windows_lake_write_duration_seconds",
    "Time to write a group of windows to Delta.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
REFILLS = Counter("windows_cache_refills_total", "How often the cache of recent purchases was made anew from Silver.")
