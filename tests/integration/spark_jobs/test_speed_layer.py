"""The speed layer on a real Postgres: once, whatever is repeated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession

from domain.contracts import topics
from local.platform import Platform
from spark_jobs.lake import BatchIdentity
from spark_jobs.stream.batch import TopicBatch, take_apart
from spark_jobs.stream.cubes import CUBES
from spark_jobs.stream.identity_window import IdentityWindow
from spark_jobs.stream.speed_layer import SpeedLayer

from .conftest import collect, encode
from .events import payment, transaction

PAYMENTS = topics()["payments.transactions"]
TRANSACTIONS = topics()["ecommerce.transactions"]
Owner = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def owner(platform: Platform) -> Iterator[Owner]:
    """A connection that may look at and clear everything."""
    platform.start("postgres", "migrate")
    with psycopg.connect(platform.site.database_url("postgres"), autocommit=True) as connection:
        connection.execute(
            f"truncate live.payments, live.transactions, {', '.join(f'live.{cube.name}' for cube in CUBES)}, "
            "live.payment_hours, live.progress, ops.batches, ops.expectation_results, ops.dead_letter_counts"
        )
        yield connection


@pytest.fixture
def speed_layer(platform: Platform, owner: Owner) -> Iterator[SpeedLayer]:
    layer = SpeedLayer(platform.site.database_url("stream"))
    yield layer
    layer.close()


class Stream:
    """Makes batches as the stream does; `forget` loses the identity window."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark = spark
        self._folder = folder
        self._windows = 0
        self._offset = 0
        self.forget()

    def forget(self) -> None:
        self._windows += 1
        self._window = IdentityWindow(self._folder / str(self._windows), 300)

    def rewind(self, messages: int) -> None:
        self._offset -= messages

    def batch(self, *events: dict[str, Any]) -> list[TopicBatch]:
        collected = collect(self._spark, PAYMENTS, [encode(PAYMENTS, event) for event in events], self._offset)
        self._offset += len(events)
        return take_apart(collected, [PAYMENTS], self._window)


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    return Stream(spark, tmp_path)


def ids(owner: Owner) -> list[str]:
    return [row[0] for row in owner.execute("select event_id from live.payments order by 1")]


def totals(owner: Owner) -> tuple[Any, ...]:
    row = owner.execute("select sum(attempts), sum(approved), sum(amount_minor) from live.payment_minutes").fetchone()
    assert row is not None
    return row


def accepted(speed_layer: SpeedLayer, parts: list[TopicBatch], batch_id: int) -> list[bool]:
    return speed_layer.commit(parts, BatchIdentity("s", batch_id)).accepted[PAYMENTS.name].tolist()


def test_a_batch_adds_rows_aggregates_progress_and_audit(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    declined = payment(event_id="e2", is_approved=False, decline_reason="do_not_honor")
    assert accepted(speed_layer, stream.batch(payment(), declined, payment(event_id="e3", amount=-1.0)), 0) == [
        True,
        True,
    ]
    assert ids(owner) == ["e1", "e2"]
    assert totals(owner) == (2, 1, 2468)
    assert owner.execute("select decline_reason, declines from live.decline_minutes").fetchall() == [
        ("do_not_honor", 1)
    ]
    for table in ("solution_hours", "geography_hours", "merchant_hours", "three_ds_hours", "risk_hours"):
        assert owner.execute(f"select sum(attempts), sum(approved) from live.{table}").fetchall() == [(2, 1)], table
    assert owner.execute("select sum(attempts) from live.latency_hours").fetchall() == [(2,)]
    assert owner.execute("select decline_reason, declines from live.decline_hours").fetchall() == [("do_not_honor", 1)]
    assert owner.execute("select records, payments, dead_letters, offsets from ops.batches").fetchall() == [
        (3, 2, 1, {"payments.transactions": {"0": [0, 2]}})
    ]
    assert owner.execute("select reason, letters from ops.dead_letter_counts").fetchall() == [
        ("amount_not_positive", 1)
    ]


def test_a_batch_that_comes_again_changes_nothing(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    parts = stream.batch(payment(), payment(event_id="e2"), payment(event_id="e2"))
    once = accepted(speed_layer, parts, 0)
    assert accepted(speed_layer, parts, 0) == once == [True, True, False]
    assert totals(owner) == (2, 2, 2468)


def test_a_repetition_within_the_window_is_not_doubled(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    accepted(speed_layer, stream.batch(payment()), 0)
    assert accepted(speed_layer, stream.batch(payment(), payment(event_id="e2")), 1) == [False, True]
    assert totals(owner) == (2, 2, 2468)


def test_a_repetition_beyond_the_window_is_not_doubled(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    accepted(speed_layer, stream.batch(payment()), 0)
    stream.forget()
    assert accepted(speed_layer, stream.batch(payment(), payment(event_id="e2")), 1) == [False, True]
    assert totals(owner) == (2, 2, 2468)


def test_a_repeated_batch_that_held_repetitions_is_answered_the_same(
    speed_layer: SpeedLayer, stream: Stream, owner: Owner
) -> None:
    accepted(speed_layer, stream.batch(payment()), 0)
    stream.forget()
    parts = stream.batch(payment(), payment(event_id="e2"))
    once = accepted(speed_layer, parts, 1)
    assert accepted(speed_layer, parts, 1) == once


def test_what_a_repeated_batch_can_read_only_now_is_added(
    speed_layer: SpeedLayer, stream: Stream, owner: Owner
) -> None:
    accepted(speed_layer, stream.batch(payment()), 0)
    stream.rewind(1)
    assert accepted(speed_layer, stream.batch(payment(), payment(event_id="e2")), 0) == [True, True]
    assert ids(owner) == ["e1", "e2"]
    assert totals(owner) == (2, 2, 2468)


def test_one_id_at_two_times_is_two_events(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    accepted(speed_layer, stream.batch(payment(), payment(event_timestamp=1772280000000)), 0)
    assert ids(owner) == ["e1", "e1"]
    assert owner.execute("select count(*) from live.payment_hours").fetchone() == (2,)


def test_each_batch_that_touches_an_hour_raises_its_version(
    speed_layer: SpeedLayer, stream: Stream, owner: Owner
) -> None:
    accepted(speed_layer, stream.batch(payment()), 0)
    accepted(speed_layer, stream.batch(payment(event_id="e2")), 1)
    assert owner.execute("select version from live.payment_hours").fetchall() == [(2,)]


def test_awkward_text_is_stored_as_it_is(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    text = 'quote " comma , newline \n back\\slash \\N é 日本'
    accepted(speed_layer, stream.batch(payment(issuer=text), payment(event_id="e2", issuer="")), 0)
    assert owner.execute("select issuer from live.payments order by event_id").fetchall() == [(text,), ("",)]


def test_text_that_postgres_cannot_store_becomes_a_dead_letter(
    speed_layer: SpeedLayer, spark: SparkSession, tmp_path: Path, owner: Owner
) -> None:
    broken = encode(PAYMENTS, payment(issuer="ZZZZ")).replace(b"ZZZZ", b"\xff\xfe\xff\xfe")
    values = [broken, encode(PAYMENTS, payment(event_id="e2", merchant_id="nul\0")), encode(PAYMENTS, payment())]
    window = IdentityWindow(tmp_path / "w", 300)
    parts = take_apart(collect(spark, PAYMENTS, list(values)), [PAYMENTS], window)
    assert accepted(speed_layer, parts, 0) == [True]
    assert parts[0].dead_letters.column("reason").to_pylist() == ["invalid_text", "invalid_text"]
    assert ids(owner) == ["e1"]


def test_a_checkout_is_stored_too(speed_layer: SpeedLayer, spark: SparkSession, tmp_path: Path, owner: Owner) -> None:
    window = IdentityWindow(tmp_path / "w", 300)
    collected = collect(spark, TRANSACTIONS, [encode(TRANSACTIONS, transaction())])
    speed_layer.commit(take_apart(collected, [TRANSACTIONS], window), BatchIdentity("s", 0))
    assert owner.execute("select transaction_id, city, user_id from live.transactions").fetchall() == [
        ("t1", "Berlin", 5)
    ]


def test_a_connection_that_was_cut_is_opened_again(speed_layer: SpeedLayer, stream: Stream, owner: Owner) -> None:
    accepted(speed_layer, stream.batch(payment()), 0)
    owner.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'stream'")
    parts = stream.batch(payment(event_id="e2"))
    with pytest.raises(psycopg.OperationalError):
        speed_layer.commit(parts, BatchIdentity("s", 1))
    assert accepted(speed_layer, parts, 1) == [True]
    assert ids(owner) == ["e1", "e2"]
