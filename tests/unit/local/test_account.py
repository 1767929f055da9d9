"""The ledger is counted as the platform must count: once per event, bad ones by kind, unsent ones not at all."""

from pathlib import Path

import pytest

from local.account import CHECKOUTS, PAYMENTS, Count, Found, Sent, compare, read_ledger

HEADER = (
    "topic,kind,expect,event_id,event_time_ms,transaction_id,is_approved,amount,currency,decline_reason,"
    "merchant_segment,attempt_number\n"
)


def line(
    event_id: str, kind: str = "good", expect: str = "accepted", topic: str = PAYMENTS, approved: str = "true"
) -> str:
    return f"{topic},{kind},{expect},{event_id},1000,t-{event_id},{approved},1.0,EUR,,Retail,1\n"


def sent(folder: Path, *lines: str) -> Sent:
    (folder / "one.csv").write_text(HEADER + "".join(lines))
    return read_ledger(folder)


def test_accepted_payments_and_checkouts_are_counted_apart(tmp_path: Path) -> None:
    result = sent(tmp_path, line("a"), line("b", approved="false"), line("c", topic=CHECKOUTS, approved=""))
    assert (result.attempts, result.approved, result.checkouts) == (2, 1, 1)


def test_an_event_sent_twice_counts_once(tmp_path: Path) -> None:
    assert sent(tmp_path, line("a"), line("a"), line("a", "duplicate", "duplicate")).attempts == 1


def test_an_event_that_never_reached_kafka_does_not_count(tmp_path: Path) -> None:
    result = sent(tmp_path, line("a"), line("b"), line("b", "undelivered"))
    assert (result.attempts, result.bad) == (1, {})


def test_bad_events_are_counted_by_kind_on_both_topics(tmp_path: Path) -> None:
    bad = line("a", "future", "dead_letter"), line("b", "future", "dead_letter", topic=CHECKOUTS)
    assert sent(tmp_path, *bad).bad == {"future": 2}


def test_other_topics_are_no_part_of_the_account(tmp_path: Path) -> None:
    assert sent(tmp_path, line("a", topic="customer.messages")) == Sent(0, 0, 0, {})


def test_several_ledgers_are_one_account(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(HEADER + line("b"))
    assert sent(tmp_path, line("a")).attempts == 2


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (Found(10, 8, 5, {"undecodable": 2, "missing_event_id": 1, "missing_transaction_id": 2}), []),
        (Found(9, 8, 5, {"undecodable": 2, "missing_event_id": 3}), ["payment attempts"]),
        (Found(10, 8, 5, {"undecodable": 1, "missing_event_id": 3}), ["bad: undecodable"]),
        (Found(10, 8, 5, {"undecodable": 2, "missing_event_id": 3, "odd": 1}), ["dead letters for other reasons"]),
    ],
)
def test_each_difference_is_named(found: Found, wrong: list[str]) -> None:
    counts = compare(Sent(10, 8, 5, {"undecodable": 2, "missing_id": 3}), found)
    assert [count.what for count in counts if not count.agrees] == wrong


def test_a_count_agrees_only_when_equal() -> None:
    assert Count("x", 1, 1).agrees
    assert not Count("x", 1, 2).agrees
