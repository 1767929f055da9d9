"""Waiting for a neighbour that is away."""

import threading

import pytest

from spark_jobs.pauses import Stopped, insist


class Away(Exception):
    """The neighbour's absence."""


class Neighbour:
    """Answers after some refusals."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def ask(self) -> str:
        if self.refusals:
            self.refusals -= 1
            raise Away("not now")
        return "answer"


def test_an_act_is_repeated_until_it_succeeds() -> None:
    answer = insist(threading.Event(), "neighbour", Away, Neighbour(refusals=2).ask, first_seconds=0.001)
    assert answer == "answer"


def test_a_stop_ends_the_waiting_at_once() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        insist(stop, "neighbour", Away, Neighbour(refusals=1).ask)


def test_any_other_error_is_not_waited_out() -> None:
    with pytest.raises(ZeroDivisionError):
        insist(threading.Event(), "neighbour", Away, lambda: 1 // 0)
