"""`python -m spark_jobs windows`."""

import logging
import os

from programs.service import run_until_signal, settings_of
from spark_jobs.windows.job import Windows
from spark_jobs.windows.settings import WindowsSettings

_NICENESS = 10
"""The stream goes first."""


def windows() -> None:
    """Compute the windowed gold tables from Silver, live and in the lake, until a signal comes."""
    logging.getLogger("windows").setLevel(logging.INFO)
    settings = settings_of(WindowsSettings)
    job = Windows(settings)
    os.nice(_NICENESS)
    run_until_signal(job.run, job.stop, settings.metrics_port)
