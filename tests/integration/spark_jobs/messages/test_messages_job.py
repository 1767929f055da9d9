"""The analysis of messages over a real Silver table and a real Postgres."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ml.text.analysis import Analysis
from ml.text.entities import Gazetteer
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.messages.job import SOURCE, TARGET, Messages
from spark_jobs.messages.settings import MessagesSettings
from spark_jobs.messages.store import StoreError

SENT_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CARD = "4111 1111 1111 1111"


@pytest.fixture
def database(platform: Any) -> Iterator[psycopg.Connection[Any]]:
    platform.start("postgres", "migrate")
    with psycopg.connect(platform.site.database_url("postgres"), autocommit=True) as connection:
        connection.execute("truncate live.messages, live.merchant_history")
        connection.execute("delete from ops.message_progress")
        connection.execute("insert into ops.message_progress default values")
        yield connection


@pytest.fixture
def settings(platform: Any, database: psycopg.Connection[Any], tmp_path: Path) -> MessagesSettings:
    return MessagesSettings(
        DATABASE_URL=platform.site.database_url("stream"), LAKE_URI=str(tmp_path), batch_rows=7, metrics_port=0
    )


def text_of(number: int) -> str:
    return f"I was charged 12.50 EUR although the payment failed, message {number}."


def write_silver(lake: Path, first: int, count: int, text: Callable[[int], str] = text_of) -> None:
    """Append messages as one batch of the stream would."""
    numbers = range(first, first + count)
    rows = pa.table(
        {
            "message_id": [f"m-{number}" for number in numbers],
            "event_timestamp": pa.array(
                [SENT_AT + timedelta(hours=number) for number in numbers], pa.timestamp("us", "UTC")
            ),
            "transaction_id": pa.array([None] * count, pa.string()),
            "user_id": pa.array([7] * count, pa.int32()),
            "channel": ["complaint"] * count,
            "language": pa.array(["en"] * count, pa.string()),
            "text": [text(number) for number in numbers],
            "event_date": [(SENT_AT + timedelta(hours=number)).date() for number in numbers],
            "arrived_at": pa.array([SENT_AT] * count, pa.timestamp("us", "UTC")),
        }
    )
    Lake(str(lake)).append(SOURCE, rows, BatchIdentity("stream", first), "event_date")


def ids(database: psycopg.Connection[Any], lake: Path) -> list[str]:
    """Identities in Postgres, having seen that the lake holds the same."""
    stored = sorted(row[0] for row in database.execute("select message_id from live.messages"))
    held = sorted(DeltaTable(lake / TARGET).to_pyarrow_table(columns=["message_id"])["message_id"].to_pylist())
    assert stored == held
    return stored


def expected(count: int) -> list[str]:
    return sorted(f"m-{number}" for number in range(count))


def test_every_message_is_analysed_once_however_often_the_job_runs(
    settings: MessagesSettings, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    database.execute("insert into live.merchant_history values ('Harbour Books 89', 1, 1, now())")
    write_silver(tmp_path, 0, 30, lambda number: f"Harbour Books 89 took 12.50 EUR twice from {CARD}, awful {number}.")
    for _ in range(3):
        Messages(settings).tick()
    write_silver(tmp_path, 30, 5)
    job = Messages(settings)
    job.tick()
    job.tick()

    assert ids(database, tmp_path) == expected(35)
    row = database.execute(
        "select language, sentiment, entities, text, error from live.messages where message_id = 'm-3'"
    ).fetchone()
    assert row is not None
    language, sentiment, entities, text, error = row
    assert (language, sentiment, error) == ("en", "negative", None)
    assert {"kind": "merchant", "value": "Harbour Books 89", "currency": None} in entities
    assert {"kind": "amount", "value": "12.50", "currency": "EUR"} in entities
    assert {"kind": "card", "value": "****1111", "currency": None} in entities
    held = DeltaTable(tmp_path / TARGET).to_pyarrow_table().to_pylist()
    assert CARD not in text
    assert not any(CARD in str(row) for row in held)


def test_compaction_brings_nothing_again_and_a_table_made_anew_only_what_is_new(
    settings: MessagesSettings, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    for first in (0, 5, 10):
        write_silver(tmp_path, first, 5)
    job = Messages(settings)
    job.tick()
    DeltaTable(tmp_path / SOURCE).optimize.compact()
    write_silver(tmp_path, 15, 5)
    job.tick()
    assert ids(database, tmp_path) == expected(20)

    shutil.rmtree(tmp_path / SOURCE)
    write_silver(tmp_path, 0, 25)
    job.tick()
    assert ids(database, tmp_path) == expected(25)


def test_a_log_that_was_cleaned_up_means_reading_the_table_again(
    settings: MessagesSettings, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    write_silver(tmp_path, 0, 5)
    job = Messages(settings)
    job.tick()
    for first in (5, 10, 15):
        write_silver(tmp_path, first, 5)
    table = DeltaTable(tmp_path / SOURCE)
    table.create_checkpoint()
    (tmp_path / SOURCE / "_delta_log" / f"{table.version() - 1:020}.json").unlink()
    job.tick()

    assert ids(database, tmp_path) == expected(20)


def test_the_lake_gets_a_batch_that_a_kill_kept_from_it(
    settings: MessagesSettings,
    database: psycopg.Connection[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    write_silver(tmp_path, 0, 20)
    with monkeypatch.context() as broken:
        broken.setattr(Lake, "append", full)
        with pytest.raises(OSError):
            Messages(settings).tick()
    stored = database.execute("select count(*) from live.messages").fetchone()
    Messages(settings).tick()

    assert stored is not None
    assert 0 < stored[0] < 20
    assert ids(database, tmp_path) == expected(20)


def test_rubbish_is_kept_with_its_error_and_holds_up_nothing(
    settings: MessagesSettings, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    texts = ["\0" * 30, "😀" * 4000, "4" * 4000, " " * 40, "a@" * 2000, "<<&%$ {fence} \u202e\u200b", "boom " + CARD]
    write_silver(tmp_path, 0, len(texts), lambda number: texts[number])
    job = Messages(settings)
    analyse = job._enricher.analyse

    def fragile(text: str, claimed: str | None, names: Gazetteer) -> Analysis:
        if text.startswith("boom"):
            raise RecursionError(f"at {text}")
        return analyse(text, claimed, names)

    job._enricher.analyse = fragile
    job.tick()

    assert ids(database, tmp_path) == expected(len(texts))
    failed = database.execute("select message_id, text, error from live.messages where error is not null").fetchall()
    assert failed == [(f"m-{len(texts) - 1}", "boom ****1111", "RecursionError: at boom ****1111")]


def test_a_second_process_is_told_so(
    settings: MessagesSettings, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    write_silver(tmp_path, 0, 3)
    job = Messages(settings)
    job._store.progress()
    row = job._enricher.enrich([], 1)
    with pytest.raises(StoreError, match="another process"):
        job._store.add(row, 5)


def test_killed_and_started_again_it_loses_and_doubles_nothing(
    settings: MessagesSettings, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    write_silver(tmp_path, 0, 300)
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "LAKE_URI": str(tmp_path),
        "MESSAGES_BATCH_ROWS": "5",
        "MESSAGES_METRICS_PORT": "0",
        "MESSAGES_TICK_SECONDS": "0.2",
    }

    def stored() -> int:
        row = database.execute("select count(*) from live.messages").fetchone()
        return int(row[0]) if row else 0

    for target in (40, 300):
        process = subprocess.Popen([sys.executable, "-m", "spark_jobs", "messages"], env=environment)
        deadline = time.monotonic() + 60
        while stored() < target and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM if target == 300 else signal.SIGKILL)
        code = process.wait(30)
        assert stored() >= target
    assert code == 0
    assert ids(database, tmp_path) == expected(300)
