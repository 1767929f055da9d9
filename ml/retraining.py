"""Training what was asked for, by the same code as any training. Promotion stays a matter of evidence."""

from collections.abc import Callable
from pathlib import Path

from ml.datasets.source import Source
from ml.errors import MlError
from ml.job import Say, train_and_register
from ml.registry.store import Registry
from ml.settings import MlSettings
from ml.watching import retraining, store


def retrain_all(url: str, source: Callable[[], Source], settings: MlSettings, tracking_uri: str, say: Say) -> int:
    """Take one open wish after the other until there is none. Returns how many were trained.

    Raises MlError when MLflow is away: the wishes stay open.
    """
    done = 0
    with store.connect(url) as connection:
        while True:
            with retraining.taken(connection) as request:
                if request is None:
                    return done
                registry = _registry(connection, request, tracking_uri)
                say(f"{request.model} is trained again: {request.why}")
                try:
                    outcome = train_and_register(
                        request.model, source(), settings.label_delay_days, registry, Path(settings.results_dir), say
                    )
                except MlError as error:
                    say(f"{request.model} is not trained: {error}")
                    retraining.fail(connection, request, str(error))
                    continue
                note = "; ".join(outcome.gate_failures) or None
                retraining.finish(connection, request, outcome.run_id, outcome.version, note)
                done += 1


def _registry(connection: store.Connection, request: retraining.Request, uri: str) -> Registry:
    try:
        return Registry(uri)
    except MlError:
        retraining.give_back(connection, request)
        raise
