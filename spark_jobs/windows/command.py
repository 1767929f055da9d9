"""`python -m spark_jobs windows`."""

import logging
import os
import signal
from types import FrameType

from prometheus_client import start_http_server

from spark_jobs.windows.job import Windows
from spark_jobs.windows.settings import WindowsSettings

_NICENESS = 10
"""The stream goes first."""


def windows() -> None:
    """Compute the windowed gold tables from Silver, live and in the lake, until a signal comes."""
    logging.getLogger("windows").setLevel(logging.INFO)
    settings = WindowsSettings()
    job = Windows(settings)
    os.nice(_NICENESS)

    def end(signum: int, frame: FrameType | None) -> None:
        job.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
    job.run()
