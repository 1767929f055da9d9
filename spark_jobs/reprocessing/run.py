"""One reprocessing from beginning to end."""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import psycopg
from pyspark.sql import SparkSession

from domain.contracts import Topic, expectations
from spark_jobs.lake import Lake
from spark_jobs.records import Lateness, subscribed
from spark_jobs.registry import RegistryAway, Schemas
from spark_jobs.reprocessing import comparison, letters
from spark_jobs.reprocessing.boundary import Boundary, Limits, boundary
from spark_jobs.reprocessing.lake_day import find_table
from spark_jobs.reprocessing.letters import Letters
from spark_jobs.reprocessing.live import LiveDays
from spark_jobs.reprocessing.outcome import Outcome
from spark_jobs.reprocessing.rebuild import Bronze, Days, Staged, count_messages, first_offsets, rebuild
from spark_jobs.reprocessing.record import Record
from spark_jobs.reprocessing.scores import ScoreDays
from spark_jobs.reprocessing.silver import SUPERSEDED, SilverDays
from spark_jobs.settings import StreamSettings
from spark_jobs.stream.speed_layer import PURCHASES
from spark_jobs.windows.recompute import recompute

log = logging.getLogger("reprocess")

SILVER, SCORES, GOLD = TABLES = ("silver", "scores", "gold")
"""What can be asked for: Silver with live rows and dead letters, fraud scores, and the windowed gold tables."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass
class Reprocessing:
    """Rebuilds a range of event dates. With `compare` nothing is changed, only said."""

    spark: SparkSession
    settings: StreamSettings
    days: Days
    tables: tuple[str, ...]
    compare: bool
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        self.lake = Lake(self.settings.lake_uri)

    def run(self) -> list[Outcome]:
        """Do it, and tell what was found. Run it again after any failure: what agrees already stays as it is."""
        topics = subscribed(self.settings.topics)
        with psycopg.connect(
            self.settings.database_url, autocommit=True, connect_timeout=5, application_name="reprocess"
        ) as connection:
            record = Record(connection, self.days, self.tables, self.compare)
            try:
                outcomes = list(self._outcomes(connection, topics, record))
            except Exception as error:
                if not connection.broken:
                    record.end(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
                raise
            record.end()
        return outcomes

    def _outcomes(self, connection: Connection, topics: list[Topic], record: Record) -> Iterator[Outcome]:
        settled = boundary(connection, self.lake.uri, topics)
        for batch in settled.under_way:
            log.info("batch %d of stream %s is under way and left to the stream", batch.number, batch.stream)
        for topic in topics if {SILVER, SCORES} & set(self.tables) else ():
            with _folder() as folder:
                began = time.monotonic()
                for outcome in self._topic(connection, topic, settled, folder):
                    log.info("%s, %.1f s", outcome, time.monotonic() - began)
                    record.add(outcome)
                    yield outcome
                    began = time.monotonic()
        if GOLD in self.tables and not self.compare:
            log.info("%d windows are due to be computed anew", recompute(connection, self.days))

    def _topic(self, connection: Connection, topic: Topic, settled: Boundary, folder: Path) -> Iterator[Outcome]:
        staged = Staged(folder)
        limits = _limits(self.lake.uri, topic, self.days, settled.reached[topic.name])
        if not limits:
            log.info("%s: Bronze holds nothing settled; nothing to rebuild", topic.name)
            return
        self._rebuild(topic, limits, staged)
        with comparison.open_database(folder) as database:
            live = LiveDays(connection, topic, limits, staged.accepted)
            silver = SilverDays(topic, self.lake, database, connection, limits, staged.accepted)
            dead = Letters(topic, self.lake, database, connection, staged.verdicts)
            scores = ScoreDays(connection, self.lake, database, staged.accepted)
            for day in self.days:
                if SILVER in self.tables:
                    yield from self._day(day, live, silver)
                if SCORES in self.tables and topic.name == PURCHASES and live.is_kept(day):
                    yield from scores.compare(day) if self.compare else scores.heal(day)
            for day in dead.days() if SILVER in self.tables else ():
                yield dead.compare(day) if self.compare else dead.heal(day)

    def _day(self, day: date, live: LiveDays, silver: SilverDays) -> Iterator[Outcome]:
        """Postgres first: it says which rows gave way to newer ones of the stream."""
        superseded = SUPERSEDED.empty_table()
        if live.is_kept(day):
            outcome, superseded = live.compare(day) if self.compare else live.heal(day)
            yield outcome
        else:
            log.info("%s is no longer kept in Postgres; only the lake is rebuilt", day)
        yield silver.compare(day, superseded) if self.compare else silver.heal(day, superseded)

    def _rebuild(self, topic: Topic, limits: Limits, staged: Staged) -> None:
        began = time.monotonic()
        since = _since(topic, self.days)
        bronze = Bronze(topic, self.lake.uri, limits, since)
        schemas = Schemas(self.settings.schema_registry_url, Path(self.settings.checkpoint_dir) / "schemas")
        writers = schemas.writers(topic)
        if not writers:
            raise RegistryAway(f"no schema is registered as {topic.subject}: run `python -m producer init`")
        told = letters.positions(self.lake.uri, topic, since)
        rebuild(self.spark, bronze, writers, Lateness(self.settings.watermark_seconds), self.days, told, staged)
        log.info("%s: Bronze since %s judged anew, %.1f s", topic.name, since, time.monotonic() - began)


def preview(settings: StreamSettings, days: Days) -> Iterator[str]:
    """Per topic what would be read of Bronze, and up to which offsets it is settled."""
    topics = subscribed(settings.topics)
    with psycopg.connect(settings.database_url, autocommit=True, connect_timeout=5) as connection:
        settled = boundary(connection, settings.lake_uri, topics)
    for topic in topics:
        table = find_table(settings.lake_uri, topic.bronze)
        since = _since(topic, days)
        messages = count_messages(table, since) if table else 0
        limits = _limits(settings.lake_uri, topic, days, settled.reached[topic.name])
        spans = ", ".join(f"{partition}: {first} to {last}" for partition, (first, last) in sorted(limits.items()))
        yield f"{topic.name}: {messages} messages since {since} in {topic.bronze}; settled offsets {spans or 'none'}"


def _limits(lake_uri: str, topic: Topic, days: Days, reached: Mapping[int, int]) -> Limits:
    """What can be rebuilt: from the first offset that Bronze holds to the last that is settled."""
    table = find_table(lake_uri, topic.bronze)
    firsts = first_offsets(table, _since(topic, days)) if table else {}
    return {one: (first, reached[one]) for one, first in firsts.items() if first <= reached.get(one, -1)}


def _since(topic: Topic, days: Days) -> date:
    """The first date on which an event of the range can have reached Kafka: events may be a little ahead of it."""
    ahead = max((one.max_ahead_seconds or 0 for one in expectations(topic.name)), default=0)
    return days.first - timedelta(days=1 + ahead // 86_400)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for rebuilt rows, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="reprocessing-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
