"""`python -m spark_jobs dead-letters`: count, list, inspect, redrive."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import pyarrow as pa
import typer
from deltalake.exceptions import DeltaError

from domain.contracts import topics
from programs.service import failure, settings_of
from spark_jobs.dead_letters.inspection import explain
from spark_jobs.dead_letters.judge import Judge
from spark_jobs.dead_letters.ledger import Ledger
from spark_jobs.dead_letters.letters import Letters, Position, Selection, positions
from spark_jobs.dead_letters.redrive import NotSent, Redrive, Result, Sender
from spark_jobs.dead_letters.report import Format, counts, entries, render
from spark_jobs.dead_letters.settings import DeadLetterSettings
from spark_jobs.registry import RegistryAway, Schemas
from spark_jobs.session import JarsMissing
from spark_jobs.settings import StreamSettings

app = typer.Typer(help="Messages that the stream refused: count, list, inspect, and send again after a fix.")

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

TopicOption = Annotated[str | None, typer.Option("--topic", help="Only this topic.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only this reason, as `count` prints it.")]
SinceOption = Annotated[
    datetime | None, typer.Option("--since", formats=_TIMES, help="In Kafka at or after this UTC time.")
]
UntilOption = Annotated[datetime | None, typer.Option("--until", formats=_TIMES, help="In Kafka before this UTC time.")]
FormatOption = Annotated[Format, typer.Option("--format", help="For people, or for programs.")]


@app.command("count")
def count_command(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    form: FormatOption = "table",
) -> None:
    """Count by topic, reason and UTC day."""
    with _plain_errors():
        settings = settings_of(DeadLetterSettings)
        letters = Letters(settings.lake_uri).about(_selection(topic, reason, since, until))
        typer.echo(render(counts(letters, Ledger(settings.database_url).redriven()), form))


@app.command("list")
def list_command(
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Most letters, newest first.")] = 50,
    form: FormatOption = "table",
) -> None:
    """List letters, newest first, with what became of each."""
    with _plain_errors():
        settings = settings_of(DeadLetterSettings)
        letters = Letters(settings.lake_uri)
        found = letters.newest(_selection(topic, reason, since, until), limit)
        there = set(positions(letters.about(Selection(topic=topic))))
        typer.echo(render(entries(found, Ledger(settings.database_url).redriven(), there), form))


@app.command("inspect")
def inspect_command(
    position: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET")],
    most_bytes: Annotated[int, typer.Option("--bytes", min=0, help="How many bytes to dump.")] = 256,
) -> None:
    """Take one letter apart: header, schema, fields as far as they can be read, the failed expectation, bytes."""
    with _plain_errors():
        settings = settings_of(DeadLetterSettings)
        wanted = _position(position)
        found = next(Letters(settings.lake_uri).whole(Selection(position=wanted)), None)
        if found is None:
            raise typer.BadParameter(f"no dead letter lies at {wanted}", param_hint="POSITION")
        letter = found.to_pylist()[0]
        with tempfile.TemporaryDirectory() as folder:
            schemas = Schemas(settings.schema_registry_url, Path(folder))
            writers = schemas.writers(topics()[wanted.topic]) if wanted.topic in topics() else {}
        for line in explain(letter, writers, most_bytes):
            typer.echo(line)


@app.command("redrive")
def redrive_command(
    position: Annotated[str | None, typer.Argument(help="One letter: TOPIC/PARTITION/OFFSET")] = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be accepted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Send what would be refused again as well.")] = False,
) -> None:
    """Send letters to their topic again, bytes untouched: those that the stream would accept today, each once.

    A letter keeps its key, partition and Kafka timestamp, and gets a header with its first position. One that was from
    the future, or that Kafka would soon delete for its age, gets the present time. Letters that were sent before are
    left alone. Interrupted, run it again: the stream refuses repetitions.
    """
    with _plain_errors():
        settings = settings_of(DeadLetterSettings)
        chosen = _position(position) if position else None
        selection = _selection(topic, reason, since, until, chosen)
        letters = Letters(settings.lake_uri)
        found = letters.about(selection).num_rows
        if not found:
            typer.echo("no dead letters")
            return
        if not (dry_run or yes):
            typer.confirm(f"Judge {found} letters, and send those that would be accepted?", abort=True)
        stream = settings_of(StreamSettings).model_copy(update={"spark_master": "local[1]", "ui_port": 0})
        with Judge(stream) as judge:
            sender = Sender(settings.kafka_bootstrap_servers)
            run = Redrive(letters, Ledger(settings.database_url), judge, sender, force).run(selection, dry_run)
            _tell(run, found, dry_run, force)


def _tell(run: Iterator[Result], found: int, dry: bool, force: bool) -> None:
    result = Result()
    for result in run:
        judged = result.already + sum(result.accepted.values()) + sum(result.refused.values())
        typer.echo(f"{judged} of {found}", err=True)
    verb = "would be accepted" if dry else "sent"
    typer.echo(f"{verb}: {_by_reason(result.accepted)}")
    typer.echo(f"{'sent by force' if force and not dry else 'would be refused again'}: {_by_reason(result.refused)}")
    typer.echo(f"sent before: {result.already}")


def _by_reason(counter: Counter[str]) -> str:
    each = ", ".join(f"{reason} {n}" for reason, n in counter.most_common())
    return f"{sum(counter.values())}" + (f" ({each})" if each else "")


def _selection(
    topic: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    position: Position | None = None,
) -> Selection:
    return Selection(topic, reason, _utc(since), _utc(until), position)


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="POSITION") from None


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException, psycopg.Error, RegistryAway, NotSent, JarsMissing) as error:
        raise failure(str(error) or type(error).__name__) from error
