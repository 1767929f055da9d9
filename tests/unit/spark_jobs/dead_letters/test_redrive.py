"""Which letters are sent again, with which time, and what is remembered when something goes wrong."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from spark_jobs.dead_letters.judge import Refusal
from spark_jobs.dead_letters.ledger import Redriven
from spark_jobs.dead_letters.letters import Letters, Position, Selection
from spark_jobs.dead_letters.redrive import Again, NotSent, Redrive, Result
from spark_jobs.lake import BatchIdentity, Lake

TOPIC = "payments.transactions"
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


class FakeJudge:
    """Refuses what its values say: `bad`, or `early` until a moment."""

    def __init__(self, due: datetime = HOUR_AGO) -> None:
        self.due = due

    def refusals(self, letters: pa.Table, arrived_at: list[datetime]) -> dict[Position, Refusal]:
        found = {}
        for row, at in zip(letters.to_pylist(), arrived_at, strict=True):
            position = Position(row["topic"], row["partition"], row["offset"])
            if row["value"] == b"bad":
                found[position] = Refusal("amount_not_positive", "amount = 0")
            if row["value"] == b"early" and at < self.due:
                found[position] = Refusal("from_the_future", "later")
        return found


class FakeKafka:
    """Takes everything, or fails after so many."""

    def __init__(self, capacity: int = 1_000, keeps: timedelta = timedelta(days=7)) -> None:
        self.taken: list[Again] = []
        self.capacity, self.keeps = capacity, keeps

    def retention(self, topic: str) -> timedelta:
        return self.keeps

    def send(self, letters: list[Again]) -> list[Redriven]:
        sent = []
        for letter in letters:
            if len(self.taken) == self.capacity:
                raise NotSent("full", sent)
            self.taken.append(letter)
            sent.append(Redriven(letter.position, letter.reason, Position(TOPIC, 0, 1_000 + len(self.taken))))
        return sent


class FakeLedger:
    def __init__(self) -> None:
        self.known: dict[Position, Redriven] = {}

    def redriven(self) -> Mapping[Position, object]:
        return dict(self.known)

    def record(self, sent: Sequence[Redriven]) -> None:
        self.known |= {one.letter: one for one in sent}


def letters(folder: Path, *values: bytes, at: datetime = HOUR_AGO) -> Letters:
    count = len(values)
    rows = pa.table(
        {
            "topic": [TOPIC] * count,
            "partition": pa.array([1] * count, pa.int32()),
            "offset": pa.array(range(count), pa.int64()),
            "kafka_timestamp": pa.array([at] * count, pa.timestamp("us", "UTC")),
            "key": [b"k"] * count,
            "value": list(values),
            "reason": ["unknown_schema_id"] * count,
            "error": ["?"] * count,
            "date": pa.array([at.date()] * count, pa.date32()),
        }
    )
    Lake(str(folder)).append("dead_letters", rows, BatchIdentity("s", 0), "date")
    return Letters(str(folder))


def run(redrive: Redrive, dry: bool = False) -> Result:
    *_, result = redrive.run(Selection(), dry)
    return result


def test_what_is_valid_now_is_sent_with_its_own_key_time_and_bytes(tmp_path: Path) -> None:
    kafka, ledger = FakeKafka(), FakeLedger()
    result = run(Redrive(letters(tmp_path, b"good", b"bad"), ledger, FakeJudge(), kafka))
    assert [(one.position.offset, one.key, one.value, one.at) for one in kafka.taken] == [(0, b"k", b"good", HOUR_AGO)]
    assert (result.accepted, result.refused) == ({"unknown_schema_id": 1}, {"amount_not_positive": 1})
    assert list(ledger.known) == [Position(TOPIC, 1, 0)]


def test_a_second_run_sends_nothing(tmp_path: Path) -> None:
    kafka, ledger = FakeKafka(), FakeLedger()
    stored = letters(tmp_path, b"good", b"bad")
    run(Redrive(stored, ledger, FakeJudge(), kafka))
    result = run(Redrive(stored, ledger, FakeJudge(), kafka))
    assert len(kafka.taken) == 1
    assert result.already == 1


def test_a_dry_run_sends_nothing_and_says_the_same(tmp_path: Path) -> None:
    kafka, ledger = FakeKafka(), FakeLedger()
    result = run(Redrive(letters(tmp_path, b"good", b"bad"), ledger, FakeJudge(), kafka), dry=True)
    assert (sum(result.accepted.values()), sum(result.refused.values())) == (1, 1)
    assert not kafka.taken
    assert not ledger.known


def test_force_sends_what_would_be_refused_as_well(tmp_path: Path) -> None:
    kafka = FakeKafka()
    run(Redrive(letters(tmp_path, b"good", b"bad"), FakeLedger(), FakeJudge(), kafka, force=True))
    assert sorted(one.value or b"" for one in kafka.taken) == [b"bad", b"good"]


def test_an_event_from_the_future_is_sent_as_of_now_when_its_time_has_come(tmp_path: Path) -> None:
    kafka = FakeKafka()
    due = HOUR_AGO + timedelta(minutes=30)
    run(Redrive(letters(tmp_path, b"early", b"good"), FakeLedger(), FakeJudge(due), kafka))
    early, good = sorted(kafka.taken, key=lambda one: one.position)
    assert early.at > due
    assert good.at == HOUR_AGO


def test_an_event_that_is_still_from_the_future_stays(tmp_path: Path) -> None:
    kafka = FakeKafka()
    judge = FakeJudge(datetime.now(UTC) + timedelta(days=1))
    assert run(Redrive(letters(tmp_path, b"early"), FakeLedger(), judge, kafka)).refused == {"from_the_future": 1}
    assert not kafka.taken


def test_a_letter_that_kafka_would_soon_delete_gets_the_present_time(tmp_path: Path) -> None:
    kafka = FakeKafka(keeps=timedelta(hours=1))
    run(Redrive(letters(tmp_path, b"good"), FakeLedger(), FakeJudge(), kafka))
    assert datetime.now(UTC) - kafka.taken[0].at < timedelta(minutes=1)


def test_what_kafka_took_before_it_failed_is_remembered(tmp_path: Path) -> None:
    ledger = FakeLedger()
    with pytest.raises(NotSent):
        run(Redrive(letters(tmp_path, b"good", b"good", b"good"), ledger, FakeJudge(), FakeKafka(capacity=2)))
    assert len(ledger.known) == 2
