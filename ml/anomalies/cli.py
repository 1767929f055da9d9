"""The command line: `python -m ml.anomalies COMMAND`."""

import logging
import threading

import typer

from ml.anomalies.policy import policy
from ml.anomalies.settings import AnomaliesSettings
from ml.anomalies.watch import Watcher
from programs.service import run_until_signal, settings_of

app = typer.Typer(help="Find what is unusual in the live series of payments.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """Find what is unusual in the live series of payments."""


@app.command()
def watch() -> None:
    """Follow the stream and keep anomalies in ops.anomalies, until stopped. One watcher works at a time."""
    settings = settings_of(AnomaliesSettings)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    run_until_signal(Watcher(settings, policy(), stop).run, stop.set, settings.metrics_port)
