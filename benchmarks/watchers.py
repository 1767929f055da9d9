"""Readers that keep asking while a benchmark runs: the KPI view as the API's role, and the API over HTTP."""

import threading
import time
from types import TracebackType
from typing import Self

import httpx
import numpy as np
import psycopg

from benchmarks.report import Floats
from benchmarks.visibility import Polls

KPI_EVERY_S = 0.05
API_EVERY_S = 0.5

# Every column, as a reader wants them: asked for one alone, Postgres would leave most of the view's work out.
_KPI = "select last_batch_id, * from gold.v_executive_kpis where kpi_window = 'all_time'"


class Watcher:
    """Asks again and again in a thread. A failed question ends it, and leaving the block raises the error."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.close()
        if self._error is not None and error is None:
            raise self._error

    def ask(self) -> None:
        """Ask once and keep the answer."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the connection up; called once, at the end."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            while not self._over.wait(self._every):
                self.ask()
        except Exception as error:
            self._error = error


class KpiWatcher(Watcher):
    """Reads the KPI view and notes when which batch was counted, and how long the query took."""

    def __init__(self, database_url: str) -> None:
        super().__init__(KPI_EVERY_S)
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._polls: list[tuple[float, int, float]] = []

    def ask(self) -> None:
        """One poll."""
        began = time.perf_counter()
        row = self._connection.execute(_KPI).fetchone()
        now, took = time.time(), time.perf_counter() - began
        if row is not None and row[0] is not None:
            self._polls.append((now, row[0], took))

    def close(self) -> None:
        """Close the database connection."""
        self._connection.close()

    def polls(self) -> Polls:
        """Everything seen so far."""
        at, batch, _ = zip(*self._polls, strict=True)
        return Polls(np.array(at), np.array(batch, dtype=np.int64))

    def took_ms(self, start: float, end: float) -> Floats:
        """Milliseconds that each query took whose answer came from `start` to `end`, Unix seconds."""
        return np.array([took * 1000 for at, _, took in self._polls if start <= at < end])


class ApiWatcher(Watcher):
    """Asks the API for the KPIs as a browser would, and notes how long that took."""

    def __init__(self, api_url: str) -> None:
        super().__init__(API_EVERY_S)
        self._client = httpx.Client(base_url=api_url, timeout=10, trust_env=False)
        self._took: list[tuple[float, float]] = []

    def ask(self) -> None:
        """One request."""
        began = time.perf_counter()
        self._client.get("/api/analytics/kpis", params={"window": "all_time"}).raise_for_status()
        self._took.append((time.time(), time.perf_counter() - began))

    def close(self) -> None:
        """Close the HTTP connection."""
        self._client.close()

    def took_ms(self, start: float, end: float) -> Floats:
        """Milliseconds of each request answered from `start` to `end`, Unix seconds."""
        return np.array([took * 1000 for at, took in self._took if start <= at < end])
