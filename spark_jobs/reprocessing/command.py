"""The command `reprocess`: rebuild a range of event dates from Bronze, or see whether it would come out the same."""

import logging
from datetime import date, datetime
from typing import Annotated

import psycopg
import typer
from deltalake.exceptions import DeltaError

from programs.service import failure, settings_of
from spark_jobs.registry import RegistryAway
from spark_jobs.reprocessing.rebuild import Days
from spark_jobs.reprocessing.run import TABLES, Reprocessing, preview
from spark_jobs.reprocessing.silver import StillDifferent
from spark_jobs.session import JarsMissing, make_session
from spark_jobs.settings import StreamSettings

DIFFERENT = 3
"""Exit status of a comparison that found differences."""

_DATE = "%Y-%m-%d"


def reprocess(
    first: Annotated[
        datetime, typer.Option("--from", formats=[_DATE], help="First UTC event date.", metavar="YYYY-MM-DD")
    ],
    last: Annotated[
        datetime, typer.Option("--to", formats=[_DATE], help="Last UTC event date, inclusive.", metavar="YYYY-MM-DD")
    ],
    tables: Annotated[str, typer.Option(help="What to rebuild, comma-separated.")] = ",".join(TABLES),
    compare: Annotated[
        bool, typer.Option("--compare", help=f"Change nothing; end with status {DIFFERENT} when something differs.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read, and stop.")] = False,
) -> None:
    """Rebuild Silver, live rows, dead letters, scores and gold from Bronze for event dates; the stream may run on."""
    logging.getLogger("reprocess").setLevel(logging.INFO)
    days, chosen = asked(first.date(), last.date(), tables)
    settings = settings_of(StreamSettings)
    try:
        if dry_run:
            for line in preview(settings, days):
                typer.echo(line)
            return
        spark = make_session("reprocess", settings)
        outcomes = Reprocessing(spark, settings, days, chosen, compare).run()
        spark.stop()
    except (psycopg.Error, DeltaError, RegistryAway, StillDifferent, JarsMissing, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise failure(f"not done: {reason}. What was replaced so far is right; run it again.") from error
    different = [one for one in outcomes if one.differences]
    verb = "differ" if compare else "differed and were replaced"
    typer.echo(f"{len(outcomes)} days of tables compared, {len(different)} {verb}")
    if compare and different:
        raise typer.Exit(DIFFERENT)


def asked(first: date, last: date, tables: str) -> tuple[Days, tuple[str, ...]]:
    """The range and the tables, checked."""
    chosen = tuple(name.strip() for name in tables.split(","))
    unknown = sorted(set(chosen) - set(TABLES))
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(TABLES)}", param_hint="--tables")
    if last < first:
        raise typer.BadParameter("lies before --from", param_hint="--to")
    return Days(first, last), chosen
