"""The job: tails Silver's messages and stores what they mean, in Postgres and then in the lake, each once.

A batch is stored in Postgres first; the lake gets it from there, also after a kill between the two, as a Delta
application transaction that cannot be repeated. What is stored already is passed over by its key, so that Silver may be
read again from the beginning whenever its log has gone, or it was made anew.
"""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
from deltalake.exceptions import DeltaError

from ml.text.entities import Gazetteer
from ml.text.summary import Ollama
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.messages import metrics
from spark_jobs.messages.enrichment import PARTITION, SILVER_COLUMNS, Enricher, lake_rows, rows_of
from spark_jobs.messages.settings import MessagesSettings
from spark_jobs.messages.store import MessageStore, Progress, StoreError
from spark_jobs.pauses import Pauses, Stopped
from spark_jobs.windows.silver import SilverTable

log = logging.getLogger("messages")

SOURCE, TARGET = "messages_silver", "messages_enriched"
_NAMES_EVERY_S = 600.0


class Messages:
    """One process that analyses messages. Every step may be repeated after a kill at any moment."""

    def __init__(self, settings: MessagesSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._silver = SilverTable(settings.lake_uri, SOURCE, SILVER_COLUMNS)
        self._store = MessageStore(settings.database_url)
        self._lake = Lake(settings.lake_uri)
        self._enricher = Enricher(Gazetteer(), _llm(settings), settings.llm_batch_seconds)
        self._names_at = float("-inf")
        self._lake_batch: int | None = None
        """The newest batch that the lake is known to hold."""

    def stop(self) -> None:
        """Ask for an end; the batch under way is finished first."""
        self._stop.set()

    def run(self) -> None:
        """Work until told to stop. What a neighbour that is away fails is tried again, with growing pauses."""
        pauses = Pauses(self._stop)
        while not self._stop.is_set():
            try:
                self.tick()
                pauses = Pauses(self._stop)
                metrics.UP.set(1)
                self._stop.wait(self._settings.tick_seconds)
            except (psycopg.Error, DeltaError, OSError, StoreError) as error:
                metrics.UP.set(0)
                self._store.close()
                try:
                    pauses.after("messages", error)
                except Stopped:
                    break
        self._store.close()
        log.info("stopped")

    def tick(self) -> None:
        """Analyse what Silver got since the last time."""
        progress = self._store.progress()
        self._complete_lake(progress)
        if not self._silver.refresh():
            return
        since = progress.version if progress.table_id == self._silver.id else None
        if since == self._silver.version:
            metrics.LAG.set(0)
            return
        self._refresh_names()
        metrics.VERSIONS_BEHIND.set(self._silver.version - (since or 0))
        batch_id = progress.batch_id
        for batch in self._new(since):
            batch_id = self._process(batch, progress.stream, batch_id)
            if self._stop.is_set():
                return
        self._store.advance(self._silver.id, self._silver.version)
        metrics.VERSIONS_BEHIND.set(0)
        metrics.LAG.set(0)

    def close(self) -> None:
        """Give the connection up."""
        self._store.close()

    def _complete_lake(self, progress: Progress) -> None:
        """Bring the newest batch to the lake, in case the process ended before it could."""
        if self._lake_batch == progress.batch_id:
            return
        if rows := self._store.batch(progress.batch_id):
            identity = BatchIdentity(progress.stream, progress.batch_id)
            self._lake.append(TARGET, lake_rows(rows), identity, PARTITION)
        self._lake_batch = progress.batch_id

    def _new(self, since: int | None) -> Iterator[pa.Table]:
        """Rows of Silver that may be new, a batch at a time; all of them when nobody can say which."""
        changes = self._silver.changes(since) if since is not None and since <= self._silver.version else None
        if changes is not None:
            try:
                yield from self._silver.batches(changes.files, self._settings.batch_rows)
            except FileNotFoundError:
                log.info("files of Silver were vacuumed before they were read; reading the table instead")
            else:
                return
        for lot in self._silver.scan():
            for start in range(0, lot.num_rows, self._settings.batch_rows):
                yield pa.Table.from_batches([lot.slice(start, self._settings.batch_rows)])

    def _process(self, batch: pa.Table, stream: str, batch_id: int) -> int:
        """Analyse and store the messages of a batch that are new. Returns the number of the newest batch stored."""
        rows = {(row["message_id"], row["event_timestamp"]): row for row in rows_of(batch)}
        known = self._store.known(list(rows))
        new = [row for key, row in rows.items() if key not in known]
        if not new:
            return batch_id
        enriched = self._enricher.enrich(new, batch_id + 1)
        self._store.add(enriched, batch_id + 1)
        self._lake.append(TARGET, lake_rows(enriched), BatchIdentity(stream, batch_id + 1), PARTITION)
        self._lake_batch = batch_id + 1
        metrics.PROCESSED.inc(len(enriched))
        metrics.LAG.set((datetime.now(UTC) - max(row["arrived_at"] for row in enriched)).total_seconds())
        return batch_id + 1

    def _refresh_names(self) -> None:
        if time.monotonic() - self._names_at > _NAMES_EVERY_S:
            self._enricher.gazetteer = Gazetteer(self._store.merchants())
            self._names_at = time.monotonic()


def _llm(settings: MessagesSettings) -> Ollama | None:
    if not settings.ollama_base_url or not settings.ollama_model:
        return None
    return Ollama(settings.ollama_base_url, settings.ollama_model, settings.llm_timeout_seconds)
