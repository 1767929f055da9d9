"""How fast gold answers over a day of payments, alone and to many at once: `python -m benchmarks.gold`."""

import shutil
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psycopg
import typer
from psycopg import sql

from benchmarks.gold_readers import FLOOR, Seen, read, rows
from benchmarks.gold_rows import copy_cubes, fill
from benchmarks.report import Reference, Result, destination, load_average, percentiles, table, write
from local import services
from local.platform import Platform
from local.ports import Ports

FULL = (86_400_000, 24, 200, 120.0, 1.0, True)
VIEW_RUNS = 7
DBT_WITHIN_S = 6 * 3600.0
ALONE_S = 60.0

app = typer.Typer(
    help="Measure the gold views and the analytics API. Without a subcommand: a platform of its own, filled, built by "
    "dbt, with the stream writing beside the readers. Any option makes it a trial, kept in var/benchmarks.",
    invoke_without_command=True,
)

Hours = Annotated[int, typer.Option(min=1, max=24 * 90, help="Whole hours of payments.")]
Payments = Annotated[int, typer.Option(min=1, help="Payments over all of these hours.")]
Readers = Annotated[int, typer.Option(min=1, max=2_000, help="Readers at once.")]
Seconds = Annotated[float, typer.Option(min=1, help="Seconds of reading.")]
Pause = Annotated[float, typer.Option(min=0, help="Seconds that a reader waits between two requests, on average.")]


@dataclass(frozen=True)
class Plan:
    """What a run measures."""

    payments: int
    hours: int
    readers: int
    seconds: float
    pause: float
    beside_the_stream: bool

    @property
    def is_full(self) -> bool:
        return (self.payments, self.hours, self.readers, self.seconds, self.pause, self.beside_the_stream) == FULL


@app.callback()
def main(
    context: typer.Context,
    payments: Payments = FULL[0],
    hours: Hours = FULL[1],
    readers: Readers = FULL[2],
    seconds: Seconds = FULL[3],
    pause: Pause = FULL[4],
    stream: Annotated[bool, typer.Option(help="Whether the stream writes 1,000 purchases/s meanwhile.")] = FULL[5],
) -> None:
    """Fill, build, read the views, read the API alone and by many, and write the result."""
    if context.invoked_subcommand:
        return
    plan = Plan(payments, hours, readers, seconds, pause, stream)
    folder = Path(tempfile.mkdtemp(prefix="gold-"))
    try:
        with Platform(folder, Ports.free(), report=_report) as platform:
            result, text = _measured(platform, plan)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    readable = write(result, text, destination(plan.is_full))
    typer.echo(f"{readable.read_text()}\nwritten to {readable}")


@app.command("fill")
def fill_command(
    database_url: Annotated[str, typer.Option(envvar="DATABASE_URL", help="Postgres, as payments_owner.")],
    payments: Payments = FULL[0],
    hours: Hours = FULL[1],
) -> None:
    """Put payments straight into a running database, in whole hours up to this one. Hours that are there stay.

    Run `dbt build` afterwards. Not for a database whose figures somebody needs.
    """
    with closing(psycopg.connect(database_url, autocommit=True, connect_timeout=10)) as connection:
        _fill(connection, payments, hours)


@app.command("read")
def read_command(
    url: Annotated[str, typer.Option(envvar="API_URL", help="The API.")] = "http://127.0.0.1:8000",
    readers: Readers = FULL[2],
    seconds: Seconds = FULL[3],
    pause: Pause = FULL[4],
    key: Annotated[str, typer.Option(envvar="API_KEY", help="A key with analytics:read, where one is needed.")] = "",
) -> None:
    """Read a running API and print what was seen. Ends with 1 when a request failed."""
    seen = read(url, readers, seconds, pause, key)
    typer.echo("\n".join(_table(seen)))
    typer.echo(f"{seen.count / seen.seconds:,.0f} answers/s, {seen.errors.total()} errors {dict(seen.errors) or ''}")
    raise typer.Exit(1 if seen.errors or not seen.count else 0)


def _measured(platform: Platform, plan: Plan) -> tuple[Result, list[str]]:
    load = load_average()
    site = platform.site
    platform.start("postgres", "migrate")
    with closing(psycopg.connect(site.database_url("postgres"), autocommit=True)) as admin:
        fill_s = _timed(lambda: _fill(admin, plan.payments, plan.hours))
        first_s = _dbt(platform, "build", "--exclude-resource-type", "test", "unit_test")
        again_s = _dbt(platform, "run", "--select", "tag:batch_layer")
        for name, count in copy_cubes(admin):
            typer.echo(f"  {name}: {count:,} rows")
        sizes = _sizes(admin)
    platform.start("api")
    if plan.beside_the_stream:
        _stream(platform)
    views = _views(site.database_url("api"))
    alone = read(site.api, 1, min(ALONE_S, plan.seconds), 0.0)
    many = read(site.api, plan.readers, plan.seconds, plan.pause)
    metrics = {
        "fill_payments_per_s": round(plan.payments / fill_s),
        "dbt_first_s": round(first_s, 1),
        "dbt_again_s": round(again_s, 1),
        "size_mb": sizes,
        "views": views,
        "one_reader": alone.figures(),
        "many_readers": many.figures(),
        "answers_per_s": round(many.count / many.seconds, 1),
        "errors": dict(alone.errors + many.errors),
    }
    bare = many.figures().get(FLOOR, {})
    every = many.figures()["all"]
    result = Result(
        name="gold",
        settings={**vars(plan), "api_processes": 1},
        metrics=metrics,
        reference=Reference(f"GET {FLOOR}, which asks nobody, by the same readers in the same run", bare),
        ratio={name: round(every[name] / bare[name], 1) for name in every if bare.get(name)},
        load_average={"before": load, "after": load_average()},
    )
    return result, _text(result, alone, many)


def _fill(connection: psycopg.Connection[tuple[Any, ...]], payments: int, hours: int) -> None:
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    began = time.monotonic()

    def told(hour: int, added: int) -> None:
        what = f"{added:,} payments" if added else "was there"
        typer.echo(f"  hour {hour} of {hours}: {what}, {time.monotonic() - began:.0f} s")

    fill(connection, end, hours, max(payments // hours, 1), told)


def _dbt(platform: Platform, *verb: str) -> float:
    """Seconds of a run of dbt. Its tests are left out: they compare layers, of which the fill writes one at a time."""
    service = services.declare(platform.site)["dbt"]
    executable, _, *where = service.command()
    run = replace(service, command=lambda: [executable, *verb, *where], ready_within=DBT_WITHIN_S)
    return _timed(lambda: platform.run(run))


def _stream(platform: Platform) -> None:
    platform.start("stream")
    platform.start_service(services.producer(platform.site, "producer", "simulate", "--rate", "1000", "--seed", "1"))
    typer.echo("  warming up for 90 s")
    time.sleep(90)


def _views(url: str) -> dict[str, dict[str, float]]:
    """Milliseconds of all rows of the last 24 hours, by view, over one connection of the API's role."""
    found: dict[str, dict[str, float]] = {}
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for view, has_hours in connection.execute(_VIEWS).fetchall():
            query = sql.SQL("select * from {}").format(sql.Identifier("gold", view))
            if has_hours:
                query += sql.SQL(" where hour >= now() - interval '24 hours'")
            taken = [_timed(lambda query=query: connection.execute(query).fetchall()) * 1000 for _ in range(VIEW_RUNS)]
            found[view] = percentiles(np.array(taken))
    return found


def _sizes(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, float]:
    """Megabytes of the detail, of the stream's aggregates and of the batch layer, with their indexes."""
    row = connection.execute(_SIZES).fetchone()
    assert row is not None
    return dict(zip(("detail", "aggregates", "batch_layer"), map(float, row), strict=True))


_VIEWS = """
select
    pg_class.relname,
    exists (select 1 from pg_attribute where attrelid = pg_class.oid and attname = 'hour' and not attisdropped)
from pg_class
where relnamespace = 'gold'::regnamespace and relkind = 'v' and relname ~ '^v_'
order by relname
"""

_SIZES = """
select
    round(coalesce(sum(size) filter (where place = 'live' and name ~ '_[0-9]{8}$'), 0) / 1e6, 1),
    round(coalesce(sum(size) filter (where place = 'live' and name !~ '_[0-9]{8}$'), 0) / 1e6, 1),
    round(coalesce(sum(size) filter (where place = 'gold'), 0) / 1e6, 1)
from (
    select relnamespace::regnamespace::text as place, relname as name, pg_total_relation_size(oid)::numeric as size
    from pg_class
    where relkind = 'r' and relnamespace in ('live'::regnamespace, 'gold'::regnamespace)
) as tables
"""


def _table(seen: Seen) -> list[str]:
    return table(["", "answers", "p50 ms", "p95 ms", "p99 ms", "max ms"], rows(seen))


def _text(result: Result, alone: Seen, many: Seen) -> list[str]:
    metrics, settings = result.metrics, result.settings
    beside = "the stream writing 1,000 purchases/s" if settings["beside_the_stream"] else "nothing else running"
    names = ("p50_ms", "p95_ms", "max_ms")
    views = [[view, *(figures[name] for name in names)] for view, figures in metrics["views"].items()]
    return [
        "# Gold: how fast it answers",
        "",
        f"{settings['payments']:,} payments in {settings['hours']} hours, {beside}. "
        "Each request is about the last 24 hours.",
        "",
        f"## {settings['readers']} readers at once",
        "",
        *_table(many),
        "",
        f"{metrics['answers_per_s']:,.0f} answers/s, {sum(metrics['errors'].values())} errors. A reader pauses "
        f"{settings['pause']:g} s on average between two requests; readers and API share the machine.",
        "",
        "## One reader",
        "",
        *_table(alone),
        "",
        "## The views themselves",
        "",
        *table(["all rows of the last 24 hours", "p50 ms", "p95 ms", "max ms"], views),
        "",
        "## What it takes",
        "",
        *table(
            ["", ""],
            [
                ["filling, payments/s", metrics["fill_payments_per_s"]],
                ["dbt counting every hour, s", metrics["dbt_first_s"]],
                ["dbt with nothing new to count, s", metrics["dbt_again_s"]],
                *([f"{name}, MB", size] for name, size in metrics["size_mb"].items()),
            ],
        ),
    ]


def _timed(work: Any) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _report(name: str, seconds: float) -> None:
    typer.echo(f"  {name:16} {seconds:6.1f} s")


if __name__ == "__main__":
    app()
