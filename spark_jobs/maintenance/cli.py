"""`python -m spark_jobs maintain`: all steps in order, or one of them, once or again and again."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from programs.service import failure, pause_of, run_until_signal, settings_of
from spark_jobs.maintenance.rounds import FAILURES, STEPS, Round
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.maintenance.status import as_text, measure
from spark_jobs.maintenance.tables import tables

log = logging.getLogger("maintenance")

app = typer.Typer(
    help="Keep the lake in order, beside running writers: compact, cluster, retain, vacuum. Without a subcommand all "
    "of them in this order. Any run may be killed and repeated. What is kept how long is in contracts/lake.toml.",
    invoke_without_command=True,
)

TableOption = Annotated[list[str], typer.Option("--table", help="Only this table, repeatable. Default: all.")]


@app.callback()
def maintain(
    context: typer.Context,
    table: TableOption = [],  # noqa: B006
    every: Annotated[
        str, typer.Option(help="Keep running, and compact this often, such as 10m. Other steps: once an hour.")
    ] = "",
) -> None:
    """Do all steps, once or again and again."""
    logging.getLogger("maintenance").setLevel(logging.INFO)
    if context.invoked_subcommand:
        return
    if every:
        _keep_running(settings_of(MaintenanceSettings), frozenset(table), pause_of(every))
    else:
        _once(STEPS, table)


@app.command("compact")
def compact_command(table: TableOption = []) -> None:  # noqa: B006
    """Merge the small files of each day."""
    _once(["compact"], table)


@app.command("cluster")
def cluster_command(table: TableOption = []) -> None:  # noqa: B006
    """Order days that are over along a Z-curve of the table's columns."""
    _once(["cluster"], table)


@app.command("retain")
def retain_command(table: TableOption = []) -> None:  # noqa: B006
    """Archive and delete days past their retention, in the lake and (without --table) in Postgres."""
    _once(["retain"], table)


@app.command("vacuum")
def vacuum_command(table: TableOption = []) -> None:  # noqa: B006
    """Delete files that nothing uses any more, and thin the log."""
    _once(["vacuum"], table)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show files, bytes, rows, versions and days of every table."""
    settings, now = settings_of(MaintenanceSettings), datetime.now(UTC)
    try:
        found = [measure(table, now) for table in tables(settings.lake_uri)]
    except FAILURES as error:
        raise failure(f"the lake {settings.lake_uri} cannot be read: {error}") from None
    typer.echo(json.dumps([asdict(one) for one in found], default=str, indent=2) if as_json else as_text(found))


def _once(steps: Sequence[str], only: Sequence[str]) -> None:
    try:
        failures = Round(settings_of(MaintenanceSettings), frozenset(only)).run(steps)
    except FAILURES as error:
        raise failure(str(error)) from None
    if failures:
        raise typer.Exit(1)


def _keep_running(settings: MaintenanceSettings, only: frozenset[str], seconds: float) -> None:
    stop = threading.Event()

    def rounds() -> None:
        thorough_at = time.monotonic()
        while not stop.is_set():
            is_thorough = time.monotonic() >= thorough_at
            if is_thorough:
                thorough_at = time.monotonic() + settings.thorough_every_seconds
            _attempt(settings, only, STEPS if is_thorough else STEPS[:1])
            stop.wait(seconds)

    run_until_signal(rounds, stop.set, settings.metrics_port)


def _attempt(settings: MaintenanceSettings, only: frozenset[str], steps: Sequence[str]) -> None:
    try:
        Round(settings, only).run(steps)
    except FAILURES as error:
        log.error("the lake %s cannot be read: %s. Trying again", settings.lake_uri, error)
