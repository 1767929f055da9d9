"""The command line: `python -m producer COMMAND`."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from domain.contracts import topics
from producer.ceiling import measure
from producer.durations import parse_duration
from producer.errors import ProducerError
from producer.events import CHECKOUTS
from producer.faults import parse_shares
from producer.incidents import parse_incident
from producer.labels import labelled
from producer.mapping import RecordMapping, read_mapping
from producer.progress import Progress
from producer.pump import PacedClock, UnpacedClock
from producer.replay import Rejects, Timing, parse_speed, replayed_events
from producer.rows import RowFile
from producer.runs import Destination, initialise, send
from producer.schedule import Profile, Schedule
from producer.settings import ProducerSettings
from producer.simulator import Scenario, Simulator

app = typer.Typer(help="Simulate a payments world and send its events to Kafka.", no_args_is_help=True)

MAX_AHEAD_MS = 60_000

SeedOption = Annotated[int | None, typer.Option(help="Same seed and start, same events. Drawn and printed by default.")]
BadOption = Annotated[list[str], typer.Option(help="KIND=SHARE of bad events, repeatable; `none` for none.")]
IncidentOption = Annotated[list[str], typer.Option(help="NAME[:at=30s,for=2m,...], repeatable.")]
LedgerOption = Annotated[Path | None, typer.Option(help="CSV file that accounts for every event.")]
ToOption = Annotated[Path | None, typer.Option(help="Write JSON lines to this file instead of Kafka.")]
MessagesOption = Annotated[bool, typer.Option("--no-messages", help="Leave customer.messages out.")]


@app.command()
def init() -> None:
    """Create the topics and register their schemas. Safe to repeat."""
    with _plain_errors():
        initialise(ProducerSettings(), Progress())


@app.command()
def simulate(
    rate: Annotated[float, typer.Option(min=0.001, help="Purchases per second, on average.")] = 1000.0,
    duration: Annotated[str | None, typer.Option(help="How long, e.g. 90s or 10m. Default: until stopped.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many purchases.")] = None,
    seed: SeedOption = None,
    profile: Annotated[Profile, typer.Option(help="Shape of the rate.")] = "constant",
    bad: BadOption = [],  # noqa: B006
    incident: IncidentOption = [],  # noqa: B006
    start_at: Annotated[str | None, typer.Option(help="ISO 8601 start of event time. Default: now.")] = None,
    ledger: LedgerOption = None,
    to: ToOption = None,
    no_messages: MessagesOption = False,
    no_pace: Annotated[bool, typer.Option("--no-pace", help="As fast as possible; event time ends now.")] = False,
    print_ceiling: Annotated[
        bool, typer.Option("--print-ceiling", help="Print the best possible scores of this world, and exit.")
    ] = False,
) -> None:
    """Play the world and send its events when they are due."""
    with _plain_errors():
        settings = ProducerSettings()
        seed = _seed(seed)
        seconds = None if duration is None else parse_duration(duration)
        if no_pace and seconds is None and count is None:
            raise ProducerError("--no-pace needs --duration or --count, or it would never end.")
        now_ms = time.time_ns() // 1_000_000
        length_ms = _length_ms(rate, seconds, count) if no_pace else 0
        start_ms = _start_ms(start_at, now_ms, length_ms)
        if to is None and not print_ceiling and start_ms + length_ms > now_ms + MAX_AHEAD_MS:
            raise ProducerError("Events from the future would be refused downstream: choose an earlier --start-at.")
        scenario = Scenario(
            seed=seed,
            schedule=Schedule(rate, start_ms, profile, seconds, count),
            customers=settings.customers,
            merchants=settings.merchants,
            bad_shares=parse_shares(bad),
            incidents=tuple(parse_incident(text) for text in incident),
            clock_behind_ms=max(0, now_ms - start_ms),
        )
        if print_ceiling:
            typer.echo("\n".join(measure(scenario).lines()))
            return
        clock = UnpacedClock() if no_pace else PacedClock(start_ms)
        _finish(send(Simulator(scenario), Destination(ledger, to, not no_messages), settings, clock))


@app.command()
def backfill(
    days: Annotated[float, typer.Option(min=0.001, help="Days of history, ending now.")],
    purchases_per_day: Annotated[int, typer.Option(min=1)] = 20_000,
    seed: SeedOption = None,
    bad: BadOption = [],  # noqa: B006
    ledger: LedgerOption = None,
    to: ToOption = None,
    no_messages: MessagesOption = False,
) -> None:
    """Write a history that ends now, as fast as possible, so that dashboards and training have data at once."""
    with _plain_errors():
        settings = ProducerSettings()
        seed = _seed(seed)
        length_ms = int(days * 86_400_000)
        start_ms = time.time_ns() // 1_000_000 - length_ms
        scenario = Scenario(
            seed=seed,
            schedule=Schedule(purchases_per_day / 86_400, start_ms, "daily", length_ms / 1000),
            namespace="backfill",
            customers=settings.customers,
            merchants=settings.merchants,
            bad_shares=parse_shares(bad),
            clock_behind_ms=length_ms,
        )
        _finish(send(Simulator(scenario), Destination(ledger, to, not no_messages), settings, UnpacedClock()))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines (.jsonl) or Parquet.")],
    topic: Annotated[str, typer.Option(help="Topic to send to.")] = CHECKOUTS,
    map_: Annotated[list[str], typer.Option("--map", help="COLUMN=FIELD, repeatable.")] = [],  # noqa: B006
    set_: Annotated[list[str], typer.Option("--set", help="FIELD=VALUE for every row, repeatable.")] = [],  # noqa: B006
    mapping: Annotated[Path | None, typer.Option(help="TOML file with [columns] and [constants].")] = None,
    timing: Annotated[Timing, typer.Option(help="Keep the file's times, or let it happen now.")] = "original",
    speed: Annotated[str | None, typer.Option(help="Pace by the file's times, e.g. 10x. Default: no pause.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="CSV file for the rows that cannot be mapped.")] = None,
    to: ToOption = None,
) -> None:
    """Send your own rows onto a topic, and report those that cannot be mapped."""
    with _plain_errors(), ExitStack() as open_things:
        if topic not in topics():
            raise ProducerError(f"--topic {topic!r} is unknown; choose one of {', '.join(topics())}.")
        rows = RowFile(file)
        record_mapping = RecordMapping(topic, rows.columns(), *read_mapping(map_, set_, mapping))
        rejected = Rejects(rejects, Progress(), open_things)
        now_ms = time.time_ns() // 1_000_000
        events = replayed_events(rows, record_mapping, rejected, now_ms, timing, parse_speed(speed))
        clock = UnpacedClock() if speed is None else PacedClock(now_ms)
        is_complete = send(events, Destination(to=to), ProducerSettings(), clock)
        rejected.summary()
        _finish(is_complete and not rejected.rows)


@app.command()
def labels(
    count: Annotated[int, typer.Option(min=1, help="How many messages; each language and channel has an equal share.")],
    seed: SeedOption = None,
) -> None:
    """Print messages of customers with the truth about them, as JSON lines."""
    for label in labelled(count, _seed(seed)):
        typer.echo(json.dumps(label, ensure_ascii=False))


def _seed(seed: int | None) -> int:
    chosen = SystemRandom().randrange(1_000_000_000) if seed is None else seed
    typer.echo(f"seed {chosen}", err=True)
    return chosen


def _length_ms(rate: float, seconds: float | None, count: int | None) -> int:
    lengths = [length for length in (seconds, None if count is None else count / rate) if length is not None]
    return int(min(lengths) * 1000)


def _start_ms(start_at: str | None, now_ms: int, length_ms: int) -> int:
    if start_at is None:
        return now_ms - length_ms
    try:
        start = datetime.fromisoformat(start_at)
    except ValueError as error:
        raise ProducerError(f"--start-at {start_at!r} is not ISO 8601, e.g. 2026-03-01T12:00:00Z.") from error
    return int((start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp() * 1000)


def _finish(is_complete: bool) -> None:
    if not is_complete:
        raise typer.Exit(1)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except ProducerError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        raise typer.Exit(1) from error
