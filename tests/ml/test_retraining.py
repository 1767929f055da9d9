"""A wish is done, failed or open again, whatever happens to its training. Fakes stand for Postgres and MLflow."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from ml import retraining as trainer
from ml.errors import AwayError, MlError
from ml.settings import MlSettings
from ml.watching.retraining import Request


class Wishes:
    """What was written of the one wish, and by which connection."""

    def __init__(self) -> None:
        self.is_open = True
        self.is_lost = False
        self.said: list[tuple[Any, ...]] = []

    @contextmanager
    def taken(self, _: object) -> Iterator[Request | None]:
        yield Request(7, "fraud_detection_model", "asked by hand") if self.is_open else None

    def writer(self, name: str) -> Any:
        def write(connection: str, request: Request, *values: object) -> None:
            if self.is_lost and connection == "first":
                raise psycopg.OperationalError("the connection is lost")
            self.is_open = False
            self.said.append((name, *values))

        return write


@pytest.fixture
def wishes(monkeypatch: pytest.MonkeyPatch) -> Wishes:
    fake, connections = Wishes(), iter(["first", "second"])

    @contextmanager
    def connect(_: str) -> Iterator[str]:
        yield next(connections)

    monkeypatch.setattr(trainer.store, "connect", connect)
    monkeypatch.setattr(trainer.retraining, "taken", fake.taken)
    for name in ("finish", "fail", "remark", "give_back"):
        monkeypatch.setattr(trainer.retraining, name, fake.writer(name))
    monkeypatch.setattr(trainer, "Registry", lambda uri: uri)
    return fake


def retrain(monkeypatch: pytest.MonkeyPatch, outcome: object, source: object = None) -> int:
    def given(one: object) -> Any:
        if isinstance(one, Exception):
            raise one
        return one

    monkeypatch.setattr(trainer, "train_and_register", lambda *_: given(outcome))
    return trainer.retrain_all("url", lambda: given(source), MlSettings(), "uri", lambda _: None)


TRAINED = SimpleNamespace(gate_failures=("f1 is 0.1",), run_id="run", version=None)


def test_a_training_is_noted_with_what_kept_it_out(wishes: Wishes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert retrain(monkeypatch, TRAINED) == 1
    assert wishes.said == [("finish", "run", None, "f1 is 0.1")]


def test_data_that_do_not_suffice_fail_the_wish(wishes: Wishes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert retrain(monkeypatch, MlError("too few")) == 0
    assert wishes.said == [("fail", "too few")]


def test_a_lake_that_is_away_costs_no_attempt(wishes: Wishes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwayError):
        retrain(monkeypatch, TRAINED, AwayError("the lake is away"))
    assert wishes.said == [("give_back",)]


def test_mlflow_that_goes_away_meanwhile_leaves_the_wish_open(wishes: Wishes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwayError):
        retrain(monkeypatch, AwayError("MLflow is away"))
    assert wishes.said == [("remark", "MLflow is away")]


def test_a_connection_that_is_lost_while_training_does_not_lose_what_came_of_it(
    wishes: Wishes, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes.is_lost = True
    assert retrain(monkeypatch, TRAINED) == 1
    assert wishes.said == [("finish", "run", None, "f1 is 0.1")]
