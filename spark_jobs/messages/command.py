"""`python -m spark_jobs messages`."""

import logging
import signal
from types import FrameType

from prometheus_client import start_http_server

from spark_jobs.messages.settings import MessagesSettings


def messages() -> None:
    """Analyse what customers write: language, sentiment, entities, key phrases, summaries; until a signal comes."""
    from spark_jobs.messages.job import Messages  # loads the text models, which no other command has a use for

    logging.getLogger("messages").setLevel(logging.INFO)
    settings = MessagesSettings()
    job = Messages(settings)

    def end(signum: int, frame: FrameType | None) -> None:
        job.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if settings.metrics_port:
        start_http_server(settings.metrics_port)
    job.run()
