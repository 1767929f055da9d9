"""The command line of the Spark jobs."""

import logging

import typer

from programs.service import run_until_signal, settings_of
from spark_jobs.dead_letters.cli import app as dead_letters
from spark_jobs.maintenance.cli import app as maintenance
from spark_jobs.messages.command import messages
from spark_jobs.reprocessing.command import reprocess
from spark_jobs.settings import StreamSettings
from spark_jobs.stream.job import Stream
from spark_jobs.windows.command import windows

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
app.add_typer(maintenance, name="maintain")
app.add_typer(dead_letters, name="dead-letters")


@app.callback()
def main() -> None:
    """Jobs over the Delta lake. Settings come from the environment; see spark_jobs/README.md."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("stream").setLevel(logging.INFO)


app.command()(reprocess)
app.command()(windows)
app.command()(messages)


@app.command()
def stream() -> None:
    """Stream Kafka into Bronze, Silver, dead letters and the speed layer until a signal comes."""
    settings = settings_of(StreamSettings)
    job = Stream(settings)
    run_until_signal(job.run, job.stop, settings.metrics_port)
