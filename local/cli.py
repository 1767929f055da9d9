"""The command line of the embedded door."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from local import artifacts, demo, downloads, environments
from local.errors import LocalError
from local.platform import Platform
from local.ports import Ports
from local.repository import ROOT

app = typer.Typer(help="The whole platform as local processes.", no_args_is_help=True, add_completion=False)

DataOption = Annotated[Path, typer.Option(help="The folder that keeps everything.")]


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with a sentence and code 1, or with 130 after Ctrl-C, never with a traceback of ours."""
    try:
        yield
    except LocalError as error:
        typer.echo(f"\n{error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("\nended before it was done", err=True)
        raise typer.Exit(130) from None


@app.command("demo")
def run_demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Length of the live part; without it until Ctrl-C.")
    ] = None,
    rate: Annotated[int, typer.Option(min=1, help="Purchases per second.")] = 1_000,
    keep: Annotated[bool, typer.Option("--keep", help="Go on from the last demo instead of beginning afresh.")] = False,
    data: DataOption = ROOT / "var" / "demo",
) -> None:
    """Start everything, write a day of history, stream live purchases, and account for every event at the end.

    Exit code 0 says that the KPI equals the count made from the producer's own ledger.
    """
    _end_on_terminate()
    fresh = not (keep or os.environ.get("KEEP"))
    with plain_errors():
        demo.announce()
        with Platform(data, Ports.from_environment(), report=demo.report, fresh=fresh) as platform:
            code = demo.run(platform, demo.Plan(rate=rate, seconds=seconds))
    raise typer.Exit(code)


@app.command()
def up(
    names: Annotated[
        list[str] | None, typer.Argument(help="Services, with what they need; all when none is named.")
    ] = None,
    data: DataOption = ROOT / "var" / "local",
) -> None:
    """Start services and keep them running until Ctrl-C; the next start goes on from there."""
    _end_on_terminate()
    with plain_errors(), Platform(data, Ports.from_environment(), report=demo.report) as platform:
        platform.start(*(names or ["stream", "windows", "messages", "api", "dbt-repeatedly", "mlflow"]))
        demo.print_connections(platform)
        _wait_for_interrupt()


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Sets of artifacts.toml; all when none is named.")] = None,
    by: Annotated[str, typer.Option("--with", help="maven, ivy, or auto: Maven where it is installed.")] = "auto",
) -> None:
    """Download the jars and binaries of the platform, checked against their checksums."""
    with plain_errors():
        for name in names or artifacts.SETS:
            typer.echo(artifacts.ensure(name, fetcher=downloads.choose_fetcher(by)))


@app.command()
def doctor() -> None:
    """Say what this machine lacks and how to install it."""
    complaints = environments.missing_prerequisites()
    for complaint in complaints:
        typer.echo(complaint)
    if complaints:
        raise typer.Exit(1)
    typer.echo("nothing is missing")


def _end_on_terminate() -> None:
    """Treat a polite request to end like Ctrl-C, so that the services are ended too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("\nending")
