"""The producer's account."""

import csv
from collections.abc import Callable
from pathlib import Path

from producer.events import PAYMENTS, Event
from producer.ledger import COLUMNS, CsvLedger

Simulate = Callable[..., list[Event]]


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_event_has_a_line_with_what_downstream_must_find(tmp_path: Path, simulate: Simulate) -> None:
    events = simulate(200)
    with CsvLedger(tmp_path / "deep" / "ledger.csv") as ledger:
        ledger.record(events)

    written = lines(tmp_path / "deep" / "ledger.csv")
    assert tuple(written[0]) == COLUMNS
    assert [line["event_id"] for line in written] == [event.event_id for event in events]
    for line, event in zip(written, events, strict=True):
        assert (line["topic"], int(line["event_time_ms"])) == (event.topic, event.event_time_ms)
        if event.topic == PAYMENTS:
            assert line["is_approved"] == str(event.record["is_approved"]).lower()
            assert float(line["amount"]) == event.record["amount"]
            assert line["decline_reason"] == (event.record["decline_reason"] or "")


def test_a_line_is_on_disk_as_soon_as_it_is_recorded(tmp_path: Path, simulate: Simulate) -> None:
    with CsvLedger(tmp_path / "ledger.csv") as ledger:
        ledger.record(simulate(1)[:1])
        assert len(lines(tmp_path / "ledger.csv")) == 1


def test_a_second_run_appends_below_the_same_header(tmp_path: Path, simulate: Simulate) -> None:
    for _ in range(2):
        with CsvLedger(tmp_path / "ledger.csv") as ledger:
            ledger.record(simulate(1)[:1])

    assert [line["topic"] for line in lines(tmp_path / "ledger.csv")] == ["ecommerce.transactions"] * 2


def test_an_undelivered_event_gets_a_second_line(tmp_path: Path, simulate: Simulate) -> None:
    event = simulate(1)[0]
    with CsvLedger(tmp_path / "ledger.csv") as ledger:
        ledger.record([event])
        ledger.record_undelivered(event)

    assert [line["kind"] for line in lines(tmp_path / "ledger.csv")] == ["good", "undelivered"]
