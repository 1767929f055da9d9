"""How a long-running job begins and ends: settings from the environment, a port for its metrics, a signal to stop."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

import typer
from prometheus_client import start_http_server
from pydantic import ValidationError
from pydantic_settings import BaseSettings

Settings = TypeVar("Settings", bound=BaseSettings)


def settings_of(kind: type[Settings]) -> Settings:
    """The settings in the environment. Ends the program with one line about what is missing or wrong."""
    try:
        return kind()
    except ValidationError as error:
        names = ", ".join(".".join(map(str, one["loc"])) + f" ({one['msg']})" for one in error.errors())
        raise failure(f"the environment is incomplete or wrong: {names}. .env.example explains each variable") from None


def run_until_signal(run: Callable[[], None], stop: Callable[[], None], metrics_port: int) -> None:
    """Run; SIGTERM and SIGINT ask it to stop. Metrics are served meanwhile, unless the port is 0."""

    def end(signum: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if metrics_port:
        try:
            start_http_server(metrics_port)
        except OSError as error:
            raise failure(f"port {metrics_port} for metrics cannot be used: {error}") from None
    run()


def failure(message: str) -> typer.Exit:
    """Say why the program ends, in one line."""
    typer.echo(message.strip().splitlines()[0], err=True)
    return typer.Exit(1)
