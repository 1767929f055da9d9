"""What is rebuilt from Bronze equals what the stream wrote, and damage, changed rules and kills are healed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb
import psycopg
import pytest
from deltalake import DeltaTable, write_deltalake

from domain.contracts import Expectation, expectations
from local.repository import ROOT
from spark_jobs.fraud import revisions
from spark_jobs.reprocessing import run
from spark_jobs.reprocessing.boundary import Boundary, boundary
from spark_jobs.stream.cubes import CUBES

from .conftest import NEW_SCHEMA_ID, PAYMENTS, PURCHASES, SCHEMA_ID, Log, Message, Site

SILVER, LETTERS, SCORES = PAYMENTS.silver, "dead_letters", "fraud_scores"
ORDER = {LETTERS: 'topic, "partition", "offset"', SCORES: "transaction_id, event_timestamp"}


def rows(site: Site, name: str) -> list[tuple[Any, ...]]:
    """All rows of a table of the lake, in the order of their positions."""
    stored = DeltaTable(str(site.lake / name)).to_pyarrow_table()
    columns = ", ".join(f'"{column}"' for column in sorted(stored.column_names))
    order = ORDER.get(name, "source_partition, source_offset")
    return duckdb.sql(f"select {columns} from stored order by {order}").fetchall()


def letters(site: Site) -> set[tuple[Any, ...]]:
    """What was refused and why; each stream that read a message left a letter."""
    stored = DeltaTable(str(site.lake / LETTERS)).to_pyarrow_table()
    assert stored.num_rows
    return set(
        duckdb.sql('select topic, "partition", "offset", key, value, reason, error, date from stored').fetchall()
    )


def live(site: Site) -> list[list[tuple[Any, ...]]]:
    """All rows of the speed layer's tables."""
    tables = ("payments", "transactions", *(cube.name for cube in CUBES))
    return [site.owner.execute(f"select * from live.{name} one order by one::text").fetchall() for name in tables]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def written(site: Site, log: Log) -> list[Message]:
    """Three batches of one stream, then another with a checkpoint of its own that begins at the beginning."""
    messages = log.traffic(0, 60)
    old = site.stream("old")
    for first in range(0, 120, 40):
        old.write(messages[first : first + 40])
    new = site.stream("new")
    new.write(messages[:70])
    new.write(messages[70:])
    return messages


def test_what_the_stream_wrote_is_rebuilt_as_it_is(site: Site, written: list[Message]) -> None:
    versions = {
        name: DeltaTable(str(site.lake / name)).version() for name in (SILVER, PURCHASES.silver, LETTERS, SCORES)
    }
    before = live(site)
    assert site.differing() == {}
    outcomes = site.reprocess()
    silver = {SILVER, PURCHASES.silver, LETTERS, SCORES}
    assert {one.table for one in outcomes} == silver | {"live.payments", "live.transactions", "live.fraud_scores"}
    assert sum(one.rows_before for one in outcomes if one.table == SILVER) == len(rows(site, SILVER)) > 40
    assert {name: DeltaTable(str(site.lake / name)).version() for name in versions} == versions
    assert live(site) == before


def test_damage_is_found_and_healed(site: Site, written: list[Message]) -> None:
    tables = (SILVER, PURCHASES.silver)
    before, refused, in_postgres = {name: rows(site, name) for name in tables}, letters(site), live(site)
    silver = DeltaTable(str(site.lake / SILVER))
    silver.delete("source_offset % 5 = 0")
    silver.update(updates={"amount_minor": "amount_minor + 1"}, predicate="source_offset % 5 = 1")
    write_deltalake(silver, silver.to_pyarrow_table().slice(0, 2), mode="append")
    DeltaTable(str(site.lake / LETTERS)).delete("reason = 'amount_not_positive'")
    site.owner.execute("delete from live.payments where source_offset % 7 = 0")
    site.owner.execute("update live.transactions set amount = 0 where source_offset % 7 = 1")
    site.owner.execute("update live.decline_minutes set declines = declines + 1")
    transactions = silver.transaction_version("old"), silver.transaction_version("new")

    found = site.differing()
    assert set(found) == {SILVER, LETTERS, "live.payments", "live.transactions"}
    assert all(found[SILVER])
    site.reprocess()

    assert site.differing() == {}
    assert {name: rows(site, name) for name in tables} == before
    assert letters(site) == refused
    assert live(site) == in_postgres
    healed = DeltaTable(str(site.lake / SILVER))
    assert (healed.transaction_version("old"), healed.transaction_version("new")) == transactions
    recorded = site.owner.execute(
        "select sum(missing), sum(extra), sum(changed) from ops.reprocessed_days join ops.reprocessings using (run_id) "
        "where not changes_nothing and table_name = %s and ended_at is not null and error is null",
        [SILVER],
    ).fetchone()
    assert recorded == found[SILVER]


def test_scores_are_healed_and_what_was_known_then_is_kept(site: Site, written: list[Message]) -> None:
    merge_revisions(site)
    in_lake, in_postgres = rows(site, SCORES), scores(site)
    site.owner.execute("update live.fraud_scores set velocity_30m = 40, score = 3 where user_id = 1")
    site.owner.execute("update live.fraud_scores set risk_level = 'MINIMAL', rules_fired = '{}' where user_id = 2")
    site.owner.execute(
        "insert into live.fraud_scores select (jsonb_populate_record(known, '{\"user_id\": 77}')).* "
        "from live.fraud_scores known limit 1"
    )
    DeltaTable(str(site.lake / SCORES)).delete("user_id = 3")
    DeltaTable(str(site.lake / SCORES)).update(updates={"velocity_30m": "9"}, predicate="user_id = 4")
    found = site.differing()
    assert set(found) == {SCORES, "live.fraud_scores"}
    site.reprocess()
    assert site.differing() == {}
    assert (rows(site, SCORES), scores(site)) == (in_lake, in_postgres)


def test_a_purchase_without_a_score_gets_one(site: Site, written: list[Message]) -> None:
    judged = "select transaction_id, velocity_30m, score, risk_level, rules_fired from live.fraud_scores order by 1"
    before = site.owner.execute(judged).fetchall()
    site.owner.execute("delete from live.fraud_scores where user_id in (0, 2)")
    site.reprocess()
    assert site.owner.execute(judged).fetchall() == before
    assert site.differing() == {}


def merge_revisions(site: Site) -> None:
    """What the running stream does every half a minute."""
    with psycopg.connect(site.database_url, autocommit=True) as connection:
        revisions.merge(connection, str(site.lake))


def scores(site: Site) -> list[tuple[Any, ...]]:
    return site.owner.execute("select * from live.fraud_scores order by transaction_id").fetchall()


def other_rules(topic: str) -> tuple[Expectation, ...]:
    """As if amounts below zero had been welcome, and yen not."""
    no_yen = Expectation("no_yen", "matches", "drop", column="currency", pattern="^(EUR|USD)$")
    return tuple(
        replace(one, action="warn")
        if one.name == "amount_not_positive"
        else no_yen
        if one.name == "malformed_currency"
        else one
        for one in expectations(topic)
    )


@pytest.fixture
def under_other_rules(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The stream judges by other rules until the function is called."""
    for module in ("spark_jobs.records", "spark_jobs.stream.batch"):
        monkeypatch.setattr(f"{module}.expectations", other_rules)
    return monkeypatch.undo


def test_a_changed_rule_moves_rows_between_silver_and_dead_letters(
    site: Site, under_other_rules: Callable[[], None], written: list[Message]
) -> None:
    under_other_rules()
    yen, negative = site.owner.execute(
        "select count(*) filter (where currency = 'JPY'), count(*) filter (where amount_minor < 0) from live.payments"
    ).fetchone() or (0, 0)
    assert (yen, negative > 0) == (0, True)
    refused = {row[0] for row in reasons(site)}
    assert "no_yen" in refused
    site.reprocess()
    assert site.differing() == {}
    kept = duckdb.arrow(DeltaTable(str(site.lake / SILVER)).to_pyarrow_table())
    assert kept.filter("currency = 'JPY'").count("*").fetchone() != (0,)
    assert kept.filter("amount < 0").count("*").fetchone() == (0,)
    assert {row[0] for row in reasons(site)} == {"amount_not_positive", "undecodable", "unknown_schema_id"}
    assert site.owner.execute("select sum(attempts) from live.payment_minutes").fetchone() == (len(rows(site, SILVER)),)


def reasons(site: Site) -> list[tuple[str, int]]:
    stored = DeltaTable(str(site.lake / LETTERS)).to_pyarrow_table()
    return stored.group_by("reason").aggregate([("offset", "count")]).to_pandas().values.tolist()


def test_a_schema_that_became_known_brings_its_messages_in(site: Site, written: list[Message]) -> None:
    known = len(rows(site, SILVER))
    site.know(SCHEMA_ID, NEW_SCHEMA_ID)
    site.reprocess()
    assert len(rows(site, SILVER)) > known
    assert "unknown_schema_id" not in {row[0] for row in reasons(site)}
    assert site.differing() == {}


def test_what_lies_beyond_the_boundary_stays_and_wins(
    site: Site, log: Log, written: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that the rebuild brings back meets a repetition that the stream accepted after the boundary was taken."""
    silver = DeltaTable(str(site.lake / SILVER)).to_pyarrow_table().to_pylist()[0]
    place = silver["source_partition"], silver["source_offset"]
    first = next(one for one in written if one.topic == PAYMENTS and (one.partition, one.offset) == place)
    early: list[Boundary] = []

    def taken_early(*arguments: Any) -> Boundary:
        early.append(boundary(*arguments))
        gone = "event_id = '{}' and event_timestamp = '{}'".format(silver["event_id"], silver["event_timestamp"])
        site.owner.execute(f"delete from live.payments where {gone}")
        DeltaTable(str(site.lake / SILVER)).delete(f"event_id = '{silver['event_id']}'")
        site.stream("newest").write([*log.traffic(1, 9), log.send(PAYMENTS, first.value, first.arrived_at)])
        return early[0]

    monkeypatch.setattr(run, "boundary", taken_early)
    site.reprocess()
    stored = DeltaTable(str(site.lake / SILVER)).to_pyarrow_table().to_pylist()
    held = [(one["source_partition"], one["source_offset"]) for one in stored if one["event_id"] == silver["event_id"]]
    assert len(held) == 1
    assert held[0][1] > early[0].reached[PAYMENTS.name][held[0][0]]
    assert any(one["event_id"].startswith("e1-") for one in stored)
    assert in_agreement(site)


def test_what_bronze_no_longer_holds_is_left_alone(site: Site, written: list[Message]) -> None:
    before, in_postgres = rows(site, SILVER), live(site)
    for topic in (PAYMENTS, PURCHASES):
        DeltaTable(str(site.lake / topic.bronze)).delete('"offset" < 10')
    DeltaTable(str(site.lake / SILVER)).delete("source_offset % 2 = 0 and source_offset >= 10")
    site.reprocess()
    assert (rows(site, SILVER), live(site)) == (before, in_postgres)


def in_agreement(site: Site) -> bool:
    """Whether Silver and Postgres hold the same positions, each once."""
    stored = DeltaTable(str(site.lake / SILVER)).to_pyarrow_table()
    positions = list(
        zip(stored.column("source_partition").to_pylist(), stored.column("source_offset").to_pylist(), strict=True)
    )
    kept = site.owner.execute("select source_partition, source_offset from live.payments").fetchall()
    return sorted(positions) == sorted(kept)


def test_the_stream_goes_on_meanwhile(site: Site, log: Log, written: list[Message]) -> None:
    DeltaTable(str(site.lake / SILVER)).delete("source_offset % 2 = 0")
    site.owner.execute("delete from live.payments where source_offset % 3 = 0")
    over = threading.Event()
    failures: list[BaseException] = []

    def go_on() -> None:
        stream = site.stream("meanwhile")
        number = 1
        try:
            while not over.is_set() or number < 4:
                stream.write(log.traffic(number, 10))
                number += 1
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        site.reprocess()
    finally:
        over.set()
        thread.join()
    assert failures == []
    assert site.differing() == {}
    assert in_agreement(site)


def test_killed_in_the_middle_it_is_simply_run_again(site: Site, written: list[Message]) -> None:
    before, in_postgres = rows(site, SILVER), live(site)
    DeltaTable(str(site.lake / SILVER)).delete("source_offset % 2 = 0")
    site.owner.execute("delete from live.payments where source_offset % 3 = 0")
    command = [sys.executable, "-m", "spark_jobs", "reprocess", "--from", "2026-03-01", "--to", "2026-03-02"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **site.environment}, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    seen = next((line for line in process.stderr if "live.payments" in line), None)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert seen is not None
    assert site.differing() != {}
    site.reprocess()
    assert (rows(site, SILVER), live(site)) == (before, in_postgres)
    unfinished = site.owner.execute("select count(*) from ops.reprocessings where ended_at is null").fetchone()
    assert unfinished == (1,)
