"""What maintenance tells Prometheus."""

from prometheus_client import Counter, Gauge

FILES = Gauge("lake_table_files", "Data files of the table's newest version.", ["table"])
SMALL_FILES = Gauge("lake_small_files", "Data files that compaction would merge if enough came together.", ["table"])
BYTES = Gauge("lake_table_bytes", "Bytes in the data files of the newest version.", ["table"])
ROWS = Gauge("lake_table_rows", "Rows in the newest version.", ["table"])
LOG_FILES = Gauge("lake_log_files", "Commits and checkpoints in the table's log.", ["table"])
LAST_RUN = Gauge("lake_maintenance_last_success_timestamp_seconds", "When a step last succeeded on all.", ["step"])
DURATION = Gauge("lake_maintenance_duration_seconds", "How long the step took last.", ["step"])
ERRORS = Counter("lake_maintenance_errors_total", "Steps that failed on a table.", ["step", "table"])
