"""How fast gold answers over a day of payments, alone and to many at once: `python -m benchmarks.gold`."""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from benchmarks import gold_report
from benchmarks.gold_readers import read
from benchmarks.gold_rows import bytes_needed, fill
from benchmarks.gold_run import Plan, measure, this_hour
from benchmarks.report import destination, load_average, write
from local.platform import Platform
from local.ports import Ports

FULL = Plan(86_400_000, 10_000_000, 24, 200, 120.0, 1.0, beside_the_stream=True)

app = typer.Typer(
    help="Measure the gold views and the analytics API. Without a subcommand: a platform of its own, filled and "
    "counted by dbt, first small and then whole, at last with the stream writing beside the readers. Any option makes "
    "it a trial, kept in var/benchmarks.",
    invoke_without_command=True,
)

Hours = Annotated[int, typer.Option(min=1, max=24 * 90, help="Whole hours of payments.")]
Rows = Annotated[int, typer.Option(min=1, help="Payments over all of these hours, such as 10_000_000.")]
Readers = Annotated[int, typer.Option(min=1, max=2_000, help="Readers at once.")]
Seconds = Annotated[float, typer.Option(min=1, help="Seconds of reading.")]
Pause = Annotated[float, typer.Option(min=0, help="Seconds that a reader waits between two requests, on average.")]


@app.callback()
def main(
    context: typer.Context,
    rows: Rows = FULL.rows,
    grow_from: Annotated[
        int, typer.Option(min=0, help="Measure this many first, to show what growth costs; 0 for not.")
    ] = FULL.grow_from,
    hours: Hours = FULL.hours,
    readers: Readers = FULL.readers,
    seconds: Seconds = FULL.seconds,
    pause: Pause = FULL.pause,
    stream: Annotated[
        bool, typer.Option(help="Whether the stream writes 1,000 purchases/s meanwhile.")
    ] = FULL.beside_the_stream,
) -> None:
    """Fill, count, read the views, read the API alone and by many, and write the result, also of what failed."""
    if context.invoked_subcommand:
        return
    plan = Plan(rows, grow_from, hours, readers, seconds, pause, stream)
    folder = Path(tempfile.mkdtemp(prefix="gold-"))
    load = load_average()
    try:
        _check_room(folder, plan.rows)
        with Platform(folder, Ports.free(), report=_ready) as platform:
            run = measure(platform, plan, _told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result = gold_report.result(plan, run, load)
    readable = write(result, gold_report.text(plan, run), destination(plan == FULL))
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")
    raise typer.Exit(1 if run.failures else 0)


@app.command("fill")
def fill_command(
    database_url: Annotated[str, typer.Option(envvar="DATABASE_URL", help="Postgres, as a superuser.")],
    rows: Rows = FULL.rows,
    hours: Hours = FULL.hours,
) -> None:
    """Put payments straight into a running database, in whole hours up to this one. Hours that are there stay.

    Run `dbt build` afterwards. Not for a database whose figures somebody needs, and not while the stream writes.
    """
    with closing(psycopg.connect(database_url, autocommit=True, connect_timeout=10)) as connection:
        fill(connection, this_hour(), hours, rows, _told)


@app.command("read")
def read_command(
    url: Annotated[str, typer.Option(envvar="API_URL", help="The API.")] = "http://127.0.0.1:8000",
    readers: Readers = FULL.readers,
    seconds: Seconds = FULL.seconds,
    pause: Pause = FULL.pause,
    key: Annotated[str, typer.Option(envvar="API_KEY", help="A key with analytics:read, where one is needed.")] = "",
) -> None:
    """Read a running API and print what was seen. Ends with 1 when a request failed."""
    seen = read(url, readers, seconds, pause, key)
    typer.echo("\n".join(gold_report.readers(seen)))
    typer.echo(f"{seen.count / seen.seconds:,.0f} answers/s, {seen.errors.total()} errors {dict(seen.errors) or ''}")
    raise typer.Exit(1 if seen.errors or not seen.count else 0)


def _check_room(folder: Path, rows: int) -> None:
    """Say how much the rows take, and end with 1 when there is less."""
    needed, free = bytes_needed(rows) / 1e9, shutil.disk_usage(folder).free / 1e9
    _told(f"{rows:,} payments take up to {needed:.0f} GB in {folder}, where {free:.0f} GB are free")
    if needed > free:
        typer.echo(
            "Not enough room: free some, set TMPDIR to a folder on another disk, or ask for fewer --rows.", err=True
        )
        raise typer.Exit(1)


def _told(what: str) -> None:
    typer.echo(f"  {what}")


def _ready(name: str, seconds: float) -> None:
    typer.echo(f"  {name:16} {seconds:6.1f} s")


if __name__ == "__main__":
    app()
