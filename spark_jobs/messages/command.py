"""`python -m spark_jobs messages`."""

import logging

from programs.service import run_until_signal, settings_of
from spark_jobs.messages.settings import MessagesSettings


def messages() -> None:
    """Analyse what customers write: language, sentiment, entities, key phrases, summaries; until a signal comes."""
    from spark_jobs.messages.job import Messages  # loads the text models, which no other command has a use for

    logging.getLogger("messages").setLevel(logging.INFO)
    settings = settings_of(MessagesSettings)
    job = Messages(settings)
    run_until_signal(job.run, job.stop, settings.metrics_port)
