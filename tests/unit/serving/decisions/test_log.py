"""The record takes at once, holds so much and no more, and loses nothing that its sinks can still take."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest

from ml.reasons import Reason
from serving.decisions import log
from serving.decisions.answers import Inference
from serving.decisions.log import InferenceLog, PostgresSink, Row
from serving.decisions.shadows import ShadowQueue

pytestmark = pytest.mark.anyio


def inference(number: int = 1, **changed: Any) -> Inference:
    known: dict[str, Any] = {
        "request_id": f"00000000-0000-4000-8000-{number:012d}",
        "scored_at": datetime(2026, 3, 1, tzinfo=UTC),
        "model": "fraud_detection_model",
        "version": 1,
        "arm": "champion",
        "experiment": None,
        "split_key": None,
        "transaction_id": "t-1",
        "merchant_id": None,
        "request": {"amount": 1.0, "event_timestamp": datetime(2026, 3, 1, tzinfo=UTC)},
        "score": 0.1,
        "scores": None,
        "decision": "honest",
        "policy_rules": [],
        "reasons": [Reason("amount", 1.0, 0.5, "amount: 1.0; raises the chance of fraud")],
        "latency_us": 50,
    }
    return Inference(**{**known, **changed})


class Taker:
    """A sink in memory."""

    name = "taker"
    waiting = written = dropped = 0

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def take(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)

    async def close(self) -> None:
        """Nothing is held."""


async def test_what_was_taken_is_handed_over_at_the_end_with_its_key() -> None:
    taker = Taker()
    record = InferenceLog([taker])
    record.start()
    for number in range(1_200):
        record.add(inference(number, split_key="user-1" if number else None))
    await record.close()
    assert len(taker.rows) == 1_200
    assert [key for key, _ in taker.rows[:2]] == [b"00000000-0000-4000-8000-000000000000", b"user-1"]
    row = msgspec.json.decode(taker.rows[0][1])
    assert row["request"]["event_timestamp"] == "2026-03-01T00:00:00Z"
    assert row["reasons"][0]["contribution"] == 0.5


async def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_WAITING", 3)
    record = InferenceLog([Taker()])
    for number in range(5):
        record.add(inference(number))
    assert record.dropped == 2


async def test_no_text_of_a_caller_can_stop_the_record() -> None:
    taker = Taker()
    record = InferenceLog([taker])
    record.add(inference(transaction_id="a\0b", request={"country": '\\u0000 "\u20ac'}))
    await record.close()
    assert b"\\u0000" not in taker.rows[0][1]
    assert msgspec.json.decode(taker.rows[0][1])["transaction_id"] == "a\ufffdb"


async def test_answers_that_cannot_be_encoded_do_not_end_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAUSE_SECONDS", 0.001)
    taker = Taker()
    record = InferenceLog([taker])
    record.start()
    record.add(inference(1, request={"amount": object()}))
    async with asyncio.timeout(3):
        while not record.dropped:
            await asyncio.sleep(0.001)
    record.add(inference(2))
    await record.close()
    assert (len(taker.rows), record.written, record.dropped) == (1, 1, 1)


class Slow(Taker):
    """A sink whose end takes a while."""

    async def close(self) -> None:
        await asyncio.sleep(0.2)


async def test_sinks_end_side_by_side() -> None:
    async with asyncio.timeout(0.35):
        await InferenceLog([Slow(), Slow()]).close()


class Away(PostgresSink):
    """Postgres that is away for a while, then refuses a batch, then takes."""

    def __init__(self) -> None:
        super().__init__("postgresql://nobody@127.0.0.1:1/none")
        self.answers: list[Exception | None] = []
        self.batches: list[list[bytes]] = []

    async def _write(self, batch: Sequence[bytes]) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.batches.append(list(batch))


async def settled(sink: Away) -> None:
    async with asyncio.timeout(3):
        while sink.waiting:
            await asyncio.sleep(0.001)


async def test_rows_wait_for_postgres_and_what_it_refuses_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "RETRY_SECONDS", 0.001)
    sink = Away()
    sink.answers = [psycopg.OperationalError("away"), psycopg.OperationalError("away"), None, psycopg.DataError("no")]
    sink.take([(None, b"1"), (None, b"2")])
    await settled(sink)
    assert sink.batches == [[b"1", b"2"]]
    sink.take([(None, b"3")])
    await settled(sink)
    assert (sink.written, sink.dropped) == (2, 1)
    await sink.close()


async def test_so_much_waits_for_postgres_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_WAITING", 3)
    sink = Away()
    sink.answers = [psycopg.OperationalError("away")] * 2
    sink.take([(None, b"%d" % number) for number in range(5)])
    assert (sink.waiting, sink.dropped) == (3, 2)
    assert sink._task is not None
    sink._task.cancel()


class Picky(Away):
    """Postgres that refuses one row."""

    async def _write(self, batch: Sequence[bytes]) -> None:
        if b"bad" in batch:
            raise psycopg.DataError("no such row")
        await super()._write(batch)


async def test_a_row_that_is_refused_takes_no_other_with_it() -> None:
    sink = Picky()
    rows = [b"%d" % number for number in range(7)]
    sink.take([(None, row) for row in [*rows[:4], b"bad", *rows[4:]]])
    await settled(sink)
    assert [row for batch in sink.batches for row in batch] == rows
    assert (sink.written, sink.dropped) == (7, 1)
    await sink.close()


async def test_a_shadow_that_fails_is_counted_and_the_next_one_scored() -> None:
    shadows = ShadowQueue()
    shadows.start()
    done: list[int] = []
    shadows.add(lambda: done.append(1 // 0))
    shadows.add(lambda: done.append(1))
    async with asyncio.timeout(3):
        while not done:
            await asyncio.sleep(0.001)
    await shadows.close()
    assert (shadows.dropped, shadows.written) == (1, 1)
