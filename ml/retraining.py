"""Training what was asked for, by the same code as any training. Promotion stays a matter of evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ml.datasets.source import Source
from ml.errors import AwayError, MlError
from ml.job import Outcome, Say, train_and_register
from ml.registry.store import Registry
from ml.settings import MlSettings
from ml.watching import retraining, store


def retrain_all(url: str, source: Callable[[], Source], settings: MlSettings, tracking_uri: str, say: Say) -> int:
    """Take one open wish after the other until there is none. Returns how many were trained.

    Raises AwayError when MLflow or the lake is away: the wishes stay open, and what was begun by then has used up one
    of its attempts.
    """
    done = 0
    with store.connect(url) as connection:
        while True:
            with retraining.taken(connection) as request:
                if request is None:
                    return done
                wish = _Wish(request, connection, url)
                say(f"{request.model} is trained again: {request.why}")
                try:
                    outcome = wish.train(source, settings, tracking_uri, say)
                except AwayError:
                    raise
                except MlError as error:
                    say(f"{request.model} is not trained: {error}")
                    wish.write(retraining.fail, str(error))
                    continue
                note = "; ".join(outcome.gate_failures) or None
                wish.write(retraining.finish, outcome.run_id, outcome.version, note)
                done += 1


@dataclass(frozen=True)
class _Wish:
    """A wish that was taken, and the connection by which it is this process's own."""

    request: retraining.Request
    connection: store.Connection
    url: str

    def train(self, source: Callable[[], Source], settings: MlSettings, tracking_uri: str, say: Say) -> Outcome:
        is_begun = False
        try:
            registry, data = Registry(tracking_uri), source()
            is_begun = True
            delay, results = settings.label_delay_days, Path(settings.results_dir)
            return train_and_register(self.request.model, data, delay, registry, results, say)
        except AwayError as error:
            if is_begun:
                self.write(retraining.remark, str(error))
            else:
                self.write(retraining.give_back)
            raise

    def write(self, what: Callable[..., None], *values: object) -> None:
        """Say what became of it; training takes long enough for the connection to be lost meanwhile."""
        try:
            what(self.connection, self.request, *values)
        except psycopg.OperationalError:
            with store.connect(self.url) as another:
                what(another, self.request, *values)
