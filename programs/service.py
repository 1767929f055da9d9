"""How a program begins and ends: settings from the environment, a port for its metrics, a signal to stop."""

import re
import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

import typer
from prometheus_client import start_http_server
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from programs.memory import giving_back

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
    with giving_back():
        run()


def pause_of(text: str, option: str = "--every") -> float:
    """Seconds of a pause such as 30s, 10m or 1h. Raises typer.BadParameter for anything else."""
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if not match or int(match[1]) == 0:
        raise typer.BadParameter(f"{text!r} is no pause: say 30s, 10m or 1h", param_hint=option)
    return int(match[1]) * {"s": 1.0, "m": 60.0, "h": 3600.0}[match[2]]


def failure(message: str) -> typer.Exit:
    """Say why the program ends, in one line."""
    typer.echo(message.strip().splitlines()[0], err=True)
    return typer.Exit(1)
