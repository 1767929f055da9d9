"""Up to where in Kafka everything is settled: the positions of batches that Postgres and the lake both hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from deltalake import DeltaTable

from domain.contracts import Topic
from spark_jobs.reprocessing.lake_day import find_table
from spark_jobs.stream.detail import DETAIL
from spark_jobs.stream.medallion import DEAD_LETTERS, FRAUD_SCORES
from spark_jobs.stream.speed_layer import PURCHASES

Limits = Mapping[int, tuple[int, int]]
"""Per partition of a topic the first and the last offset that is rebuilt."""

_ACCEPTED = {"payments": "payments", "transactions": "transactions", "message_arrivals": "messages"}
"""Column of ops.batches that counts the rows accepted into a table of live rows."""

_NEWEST = """
    select distinct on (query) query, batch_id, to_jsonb(batches)
    from ops.batches order by query, batch_id desc
"""
_REACHED = """
    select partition::int, max((span ->> 1)::bigint)
    from ops.batches, jsonb_each(offsets -> %s) reached (partition, span)
    where (query, batch_id) not in (select * from unnest(%s::text[], %s::bigint[]))
    group by partition
"""


@dataclass(frozen=True)
class Batch:
    """The newest batch of a stream, as Postgres recorded it."""

    stream: str
    number: int
    record: Mapping[str, object]


@dataclass(frozen=True)
class Boundary:
    """What is settled. A batch still under way, the newest of its stream, is left to that stream."""

    reached: Mapping[str, Mapping[int, int]]
    """Per topic and partition the last settled offset."""
    under_way: tuple[Batch, ...]


def boundary(connection: psycopg.Connection[tuple[object, ...]], lake_uri: str, topics: list[Topic]) -> Boundary:
    """Where to cut Bronze, as of now. Take it before reading any table of the lake: they can only hold more."""
    newest = [Batch(str(row[0]), int(str(row[1])), row[2]) for row in connection.execute(_NEWEST)]  # type: ignore[arg-type]
    tables = _Tables(lake_uri)
    under_way = tuple(batch for batch in newest if not _is_settled(batch, topics, tables))
    streams, numbers = [batch.stream for batch in under_way], [batch.number for batch in under_way]
    reached = {}
    for topic in topics:
        found = connection.execute(_REACHED, [topic.name, streams, numbers]).fetchall()
        reached[topic.name] = {int(str(partition)): int(str(last)) for partition, last in found}
    return Boundary(reached, under_way)


class _Tables:
    """How far each stream is in the tables of the lake."""

    def __init__(self, lake_uri: str) -> None:
        self._uri = lake_uri
        self._opened: dict[str, DeltaTable | None] = {}

    def holds(self, name: str, batch: Batch) -> bool:
        if name not in self._opened:
            self._opened[name] = find_table(self._uri, name)
        table = self._opened[name]
        held = table.transaction_version(batch.stream) if table else None
        return held is not None and held >= batch.number


def _is_settled(batch: Batch, topics: list[Topic], tables: _Tables) -> bool:
    """Whether every table that gets rows of the batch has them."""
    expected = {DEAD_LETTERS} if batch.record["dead_letters"] else set()
    for topic in topics:
        accepted = batch.record[_ACCEPTED[DETAIL[topic.name].name]]
        expected |= {topic.silver} if accepted else set()
        expected |= {FRAUD_SCORES} if accepted and topic.name == PURCHASES else set()
        expected |= {topic.bronze} if batch.record["offsets"].get(topic.name) else set()  # type: ignore[attr-defined]
    return all(tables.holds(name, batch) for name in expected)
