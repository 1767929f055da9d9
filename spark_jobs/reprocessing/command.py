"""The command `reprocess`: rebuild a range of event dates from Bronze, or see whether it would come out the same."""

import logging
from datetime import datetime
from typing import Annotated

import psycopg
import typer
from deltalake.exceptions import DeltaError

from spark_jobs.registry import RegistryAway
from spark_jobs.reprocessing.rebuild import Days
from spark_jobs.reprocessing.run import Reprocessing
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
    compare: Annotated[
        bool, typer.Option("--compare", help=f"Change nothing; end with status {DIFFERENT} when something differs.")
    ] = False,
) -> None:
    """Rebuild Silver, the speed layer and dead letters from Bronze for event dates; the stream may run meanwhile."""
    logging.getLogger("reprocess").setLevel(logging.INFO)
    if last < first:
        raise typer.BadParameter("--to lies before --from")
    settings = StreamSettings()
    days = Days(first.date(), last.date())
    try:
        spark = make_session("reprocess", settings)
        outcomes = Reprocessing(spark, settings, days, ("silver",), compare).run()
        spark.stop()
    except (psycopg.Error, DeltaError, RegistryAway, StillDifferent, JarsMissing) as error:
        typer.echo(
            f"not done: {str(error).strip().splitlines()[0]}. What was replaced so far is right; run it again.",
            err=True,
        )
        raise typer.Exit(1) from error
    different = [one for one in outcomes if one.differences]
    verb = "differ" if compare else "differed and were replaced"
    typer.echo(f"{len(outcomes)} days of tables compared, {len(different)} {verb}")
    if compare and different:
        raise typer.Exit(DIFFERENT)
