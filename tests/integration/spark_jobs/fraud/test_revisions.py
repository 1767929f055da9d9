"""Revised scores reach the lake while the stream goes on scoring, and none is lost on the way."""

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from local.platform import Platform
from spark_jobs.fraud import revisions
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.stream import medallion
from tests.integration.spark_jobs.fraud.purchases import (
    Bought,
    Connection,
    batches,
    commit,
    connect,
    stored,
    world,
)

Scores = dict[str, dict[str, Any]]


class Stream:
    """Scores purchases, and appends them to the lake as the stream does."""

    def __init__(self, connection: Connection, lake: Lake, first_batch: int = 0) -> None:
        self._connection = connection
        self._lake = lake
        self._batch = first_batch

    def score(self, bought: list[Bought], reaches_lake: bool = True) -> None:
        scores = commit(self._connection, bought).rows
        identity = BatchIdentity("test", self._batch)
        self._batch += 1
        if reaches_lake:
            addition = medallion.fraud_scores(scores, identity)
            self._lake.append(addition.table, addition.rows, identity, addition.partition_by)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def in_lake(lake: Lake) -> Scores:
    rows = DeltaTable(f"{lake.uri}/{medallion.FRAUD_SCORES}").to_pyarrow_table().to_pylist()
    assert len(rows) == len({row["transaction_id"] for row in rows})
    return {row["transaction_id"]: row for row in rows}


def agree(lake: Lake, scores: Scores) -> bool:
    found = in_lake(lake)
    return found.keys() == scores.keys() and all(
        found[name][column] == row[column] for name, row in scores.items() for column in revisions._MERGED
    )


def waiting(connection: Connection) -> int:
    row = connection.execute("select count(*) from live.fraud_score_revisions").fetchone()
    assert row is not None
    return int(row[0])


def test_the_lake_comes_to_hold_what_postgres_holds(connection: Connection, lake: Lake) -> None:
    stream = Stream(connection, lake)
    for batch in batches(world(3, 300), 3):
        stream.score(list(batch))
    assert waiting(connection) > 0
    assert not agree(lake, stored(connection))
    revisions.merge(connection, lake.uri)
    assert waiting(connection) == 0
    assert agree(lake, stored(connection))


def test_what_is_scored_and_revised_meanwhile_is_neither_lost_nor_in_the_way(
    connection: Connection, platform: Platform, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = world(4, 300)
    stream = Stream(connection, lake)
    for batch in batches(everything[:250], 4):
        stream.score(list(batch))
    correct = revisions.correct

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.undo()
        with connect(platform) as other:
            other.execute("set lock_timeout = '2s'")
            Stream(other, lake, first_batch=250).score(everything[250:])
            other.execute("update live.fraud_scores set revision = revision + 1")
            other.execute("update live.fraud_score_revisions set revised_at = clock_timestamp()")
        return correct(*arguments)

    monkeypatch.setattr(revisions, "correct", meanwhile)
    revisions.merge(connection, lake.uri)
    assert waiting(connection) > 0, "what was revised again must be brought again"
    revisions.merge(connection, lake.uri)
    assert waiting(connection) == 0
    brought, scores = in_lake(lake), stored(connection)
    revised = {name for name, row in scores.items() if row["revision"] > 1}
    assert {name: brought[name]["revision"] for name in revised} == {name: scores[name]["revision"] for name in revised}


def test_a_score_that_the_lake_does_not_hold_yet_stays_on_the_list(connection: Connection, lake: Lake) -> None:
    everything = world(5, 120)
    stream = Stream(connection, lake)
    stream.score(everything[:60])
    stream.score(everything[60:90], reaches_lake=False)
    stream.score(everything[90:])
    before = waiting(connection)
    revisions.merge(connection, lake.uri)
    left = {name for (name,) in connection.execute("select transaction_id from live.fraud_score_revisions").fetchall()}
    assert 0 < len(left) < before
    assert left <= {f"t{one.number}" for one in everything[60:90]}


def test_nothing_happens_before_there_is_a_table(connection: Connection, lake: Lake) -> None:
    assert revisions.merge(connection, lake.uri) == 0
