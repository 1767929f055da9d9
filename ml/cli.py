"""The command line: `python -m ml COMMAND`."""

import logging
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer

from ml.errors import MlError
from ml.policy import models as model_policies
from ml.settings import MlSettings
from programs.service import failure, pause_of, run_until_signal, settings_of

if TYPE_CHECKING:
    from ml.datasets.source import Source

app = typer.Typer(help="Train, judge, register and promote the models that decide.", no_args_is_help=True)
ALL = "all"
NAMES = ", ".join(model_policies())
ModelsArgument = Annotated[list[str] | None, typer.Argument(metavar="[MODEL ...|all]", help=f"Any of {NAMES}.")]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=f"One of {NAMES}.")]
LakeOption = Annotated[str | None, typer.Option(help="Folder or bucket of the Delta tables. Default: LAKE_URI.")]
TrackingOption = Annotated[str | None, typer.Option(help="MLflow server or database. Default: MLFLOW_TRACKING_URI.")]
DaysOption = Annotated[int | None, typer.Option(min=1, help="Read only the newest so many days.")]
DataOption = Annotated[Path | None, typer.Option(help="Your own CSV or Parquet file instead of the lake.")]
MappingOption = Annotated[Path | None, typer.Option(help="TOML file: [columns] names your column for each field.")]


@app.command()
def train(
    names: ModelsArgument = None,
    data: DataOption = None,
    mapping: MappingOption = None,
    lake: LakeOption = None,
    days: DaysOption = None,
    tracking: TrackingOption = None,
    results: Annotated[Path | None, typer.Option(help="Folder of cards and plots. Default: ML_RESULTS_DIR.")] = None,
) -> None:
    """Train models, show what they are worth, and register as challengers those that pass their gates."""
    with _plain_errors():
        settings, chosen = settings_of(MlSettings), _chosen(names)
        from ml.job import train_and_register
        from ml.registry.store import Registry
        from ml.report import text, write

        registry = Registry(tracking or settings.tracking_uri)
        source = _source(data, mapping, settings, lake, days)
        folder, say = results or Path(settings.results_dir), _Progress()
        outcomes, refused = [], []
        for name in chosen:
            try:
                outcomes.append(train_and_register(name, source, settings.label_delay_days, registry, folder, say))
                write(outcomes, f"python -m ml {shlex.join(sys.argv[1:])}", folder)
            except MlError as error:
                say(f"{name} is not trained: {error}")
                refused.append(name)
        if outcomes:
            typer.echo(text(outcomes))
        if refused:
            raise MlError(f"Not trained: {', '.join(refused)}; the reasons are above.")


@app.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="Look at the complete hours once, and end.")] = False,
) -> None:
    """Follow what the models answer and keep drift in ops.drift, until stopped. One watcher works at a time."""
    from ml.policy import watching
    from ml.watching import store
    from ml.watching.settings import WatchingSettings
    from ml.watching.watch import Watcher

    settings = settings_of(WatchingSettings)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    watcher = Watcher(settings, watching(), stop)
    if not once:
        run_until_signal(watcher.run, stop.set, settings.metrics_port)
        return
    with _postgres_errors(), store.connect(settings.database_url.get_secret_value()) as connection:
        if not store.is_alone(connection):
            raise failure("another watcher is at work: ops.drift is its own as long as it runs")
        judged = watcher.round(connection, datetime.now(UTC))
        drifts = [one for found in store.open_findings(connection).values() for one in found]
        typer.echo(f"{judged} hours judged, {len(drifts)} drifts are open")


@app.command()
def retrain(
    every: Annotated[str, typer.Option(help="Keep running, and look for requests this often, such as 10m.")] = "",
    days: DaysOption = None,
    lake: LakeOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Train what lasting drift asked for in ops.retraining_requests; what passes its gates becomes challenger."""
    from ml.watching.settings import WatchingSettings

    url = settings_of(WatchingSettings).database_url.get_secret_value()
    settings, say = settings_of(MlSettings), _Progress()

    def once() -> int:
        from ml.retraining import retrain_all

        source = partial(_source, None, None, settings, lake, days)
        return retrain_all(url, source, settings, tracking or settings.tracking_uri, say)

    if not every:
        with _plain_errors(), _postgres_errors():
            typer.echo(f"{once()} requests done")
        return
    stop, pause = threading.Event(), pause_of(every)

    def rounds() -> None:
        while not stop.is_set():
            try:
                once()
            except (MlError, psycopg.OperationalError) as error:
                say(f"no training now, trying again in {every}: {str(error).strip().splitlines()[0]}")
            stop.wait(pause)

    run_until_signal(rounds, stop.set, metrics_port=0)


@app.command()
def reference(
    model: ModelArgument,
    version: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    tracking: TrackingOption = None,
) -> None:
    """Print what a version's test period was like, as JSON: what the watch compares later hours with."""
    with _plain_errors():
        _require_known([model])
        from ml.registry.store import Registry

        registry = Registry(tracking or settings_of(MlSettings).tracking_uri)
        found = next((one for one in registry.versions(model) if one.number == str(version)), None)
        if found is None:
            raise MlError(f"{model} has no version {version}: see `python -m ml models`.")
        typer.echo(registry.reference(found))


@app.command("models")
def list_models(tracking: TrackingOption = None) -> None:
    """List registered versions with their aliases and the figures of their test period."""
    with _plain_errors():
        from ml.registry.store import Registry

        registry = Registry(tracking or settings_of(MlSettings).tracking_uri)
        for name, policy in model_policies().items():
            wanted = dict.fromkeys([*policy.first_figures, *policy.gates, policy.primary])
            versions = registry.versions(name)
            if not versions:
                typer.echo(f"{name:<28} no version")
            for one in versions:
                figures = "  ".join(f"{figure} {one.figures[figure]:.4f}" for figure in wanted if figure in one.figures)
                typer.echo(f"{name:<28} version {one.number:<4} {', '.join(one.aliases):<22} {figures}")


@app.command()
def promote(
    model: ModelArgument,
    data: DataOption = None,
    mapping: MappingOption = None,
    lake: LakeOption = None,
    days: DaysOption = None,
    tracking: TrackingOption = None,
) -> None:
    """Make the challenger the champion, if it is equal in serving and better beyond chance on later data."""
    with _plain_errors():
        settings = settings_of(MlSettings)
        _require_known([model])
        from ml.datasets import sets
        from ml.registry.promotion import judge
        from ml.registry.store import Registry

        registry = Registry(tracking or settings.tracking_uri)
        version, verdict = judge(
            registry,
            model,
            lambda: sets.read(model, _source(data, mapping, settings, lake, days), settings.label_delay_days),
        )
        if not verdict.is_better:
            raise MlError(f"{version.title} is not promoted: {verdict.reason}.")
        registry.promote(version)
        typer.echo(f"{version.title} is now champion: {verdict.reason}.")


@app.command()
def rollback(model: ModelArgument, tracking: TrackingOption = None) -> None:
    """Make the champion before this one the champion again."""
    with _plain_errors():
        _require_known([model])
        from ml.registry.store import Registry

        left, came = Registry(tracking or settings_of(MlSettings).tracking_uri).rollback(model)
        typer.echo(f"{came.title} is champion again instead of version {left.number}.")


@app.command()
def month(
    lake: Annotated[Path, typer.Option(help="Folder to make the tables in; must be empty or missing.")],
    days: Annotated[int, typer.Option(min=1)] = 30,
    purchases_per_day: Annotated[int, typer.Option(min=1)] = 20_000,
    customers: Annotated[int, typer.Option(min=1)] = 20_000,
    seed: Annotated[int, typer.Option()] = 20,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day, exclusive.")] = None,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where a lake is already.")] = False,
) -> None:
    """Write a simulated month to train from, with the truth that only a simulator knows."""
    with _plain_errors():
        from ml.world.month import Month, write_month

        if if_missing and lake.is_dir() and any(lake.iterdir()):
            typer.echo(f"{lake} is there already.")
            return
        end = (until or datetime.now(UTC)).date()
        write_month(Month(end, days, purchases_per_day, customers, seed=seed), lake, _Progress())


def _source(
    data: Path | None, mapping: Path | None, settings: MlSettings, lake: str | None, days: int | None
) -> "Source":
    from ml.datasets.files import FileSource
    from ml.datasets.source import LakeSource

    if mapping is not None and data is None:
        raise MlError("--mapping goes with --data FILE.")
    uri = lake or settings.lake_uri
    source: Source = FileSource(data, mapping) if data is not None else LakeSource(uri, days, settings.most_rows)
    for remark in source.remarks():
        typer.echo(f"{data or uri}: left out, {remark}", err=True)
    return source


def _chosen(names: list[str] | None) -> list[str]:
    if not names or names == [ALL]:
        return list(model_policies())
    _require_known(names)
    return list(dict.fromkeys(names))


def _require_known(names: list[str]) -> None:
    unknown = [name for name in names if name not in model_policies()]
    if unknown:
        raise MlError(f"There is no model {', '.join(unknown)}; choose among {NAMES}, or all.")


class _Progress:
    """Lines with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        typer.echo(f"{time.monotonic() - self._started:6.0f} s  {text}", err=True)


@contextmanager
def _postgres_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise failure(f"Postgres: {error}") from error


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (MlError, OSError) as error:
        raise failure(str(error)) from error
