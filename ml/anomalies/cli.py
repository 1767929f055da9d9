"""The command line: `python -m ml.anomalies COMMAND`."""

import logging
import signal
import threading

import typer
from prometheus_client import start_http_server
from pydantic import ValidationError

from ml.anomalies.policy import policy
from ml.anomalies.settings import AnomaliesSettings
from ml.anomalies.watch import Watcher

app = typer.Typer(help="Find what is unusual in the live series of payments.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """Find what is unusual in the live series of payments."""


@app.command()
def watch() -> None:
    """Follow the stream and keep anomalies in ops.anomalies, until stopped. One watcher works at a time."""
    try:
        settings = AnomaliesSettings()
    except ValidationError as error:
        names = ", ".join(".".join(map(str, one["loc"])) + ": " + one["msg"] for one in error.errors())
        typer.secho(f"the environment is incomplete or wrong: {names}. See .env.example.", err=True)
        raise typer.Exit(1) from None
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if settings.metrics_port:
        try:
            start_http_server(settings.metrics_port)
        except OSError as error:
            typer.secho(f"ANOMALIES_METRICS_PORT={settings.metrics_port} cannot be used: {error}", err=True)
            raise typer.Exit(1) from None
    Watcher(settings, policy(), stop).run()
