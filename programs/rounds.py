"""A program that does its rounds over Postgres for as long as it runs, one process of its kind at a time."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from prometheus_client import Counter

Connection = psycopg.Connection[tuple[Any, ...]]

_LONGEST_PAUSE_SECONDS = 15.0


def connect(url: str, name: str) -> Connection:
    """A connection whose transactions see UTC. Raises psycopg.OperationalError when Postgres is away."""
    options = "-c timezone=UTC -c jit=off"
    return psycopg.connect(url, autocommit=True, connect_timeout=5, application_name=name, options=options)


def is_alone(connection: Connection, name: str) -> bool:
    """Whether this connection is the one of that name now; it stays so until it is closed."""
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()
    return bool(row and row[0])


class Rounds:
    """One works at a time; a second one waits until the first is gone. A Postgres that is away is waited for."""

    def __init__(self, name: str, url: str, every_seconds: float, stop: threading.Event, retries: Counter) -> None:
        self._name, self._url, self._every, self._stop, self._retries = name, url, every_seconds, stop, retries
        self._log = logging.getLogger(name)

    def run(self, begin: Callable[[Connection], None]) -> None:
        """Until told to stop: call `begin` for each connection that is alone, to work with it until it breaks."""
        pause = self._every
        while not self._stop.is_set():
            try:
                with connect(self._url, self._name) as connection:
                    if self._comes_first(connection):
                        begin(connection)
                    pause = self._every
            except psycopg.OperationalError as error:
                self._retries.inc()
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self._log.warning("Postgres: %s. Nothing is lost; trying again in %.0f s", reason, pause)
                self._stop.wait(pause)
                pause = min(pause * 2, max(_LONGEST_PAUSE_SECONDS, self._every))

    def _comes_first(self, connection: Connection) -> bool:
        """Wait for another to end; False when this one is to stop before."""
        while not is_alone(connection, self._name):
            self._log.info("another %s is at work; waiting for it to end", self._name)
            if self._stop.wait(self._every):
                return False
        return True
