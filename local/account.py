"""Compares what the platform shows with what the producer's ledger says was sent: two counts, made apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg

PAYMENTS = "payments.transactions"
CHECKOUTS = "ecommerce.transactions"

REASONS = {
    "undecodable": ("undecodable",),
    "unknown_schema": ("unknown_schema_id",),
    "missing_id": ("missing_event_id", "missing_transaction_id"),
    "non_positive_amount": ("amount_not_positive",),
    "future": ("from_the_future",),
}
"""Under which dead-letter reasons each kind of bad event must be found."""


@dataclass(frozen=True)
class Count:
    """One figure, as the ledger has it and as the platform shows it."""

    what: str
    sent: int
    found: int

    @property
    def agrees(self) -> bool:
        return self.sent == self.found

    @property
    def exceeds(self) -> bool:
        return self.found > self.sent


@dataclass(frozen=True)
class Sent:
    """What the ledger says: distinct accepted events, and bad ones by kind. Undelivered events count as never sent."""

    attempts: int
    approved: int
    checkouts: int
    bad: dict[str, int]


@dataclass(frozen=True)
class Found:
    """What the platform shows."""

    attempts: int
    approved: int
    checkouts: int
    letters: dict[str, int]
    """Dead letters by reason."""


_EVENTS = """
    with lines as (
        select * from read_csv(?, header = true, all_varchar = true, union_by_name = true)
        where topic in (?, ?)
    ),
    undelivered as (select topic, event_id, event_time_ms from lines where kind = 'undelivered'),
    events as (select * from lines where kind <> 'undelivered'
               and (topic, event_id, event_time_ms) not in (select (topic, event_id, event_time_ms) from undelivered))
"""


def read_ledger(folder: Path) -> Sent:
    """Count the events in all ledger files of a folder."""
    with duckdb.connect() as connection:
        parameters = [str(folder / "*.csv"), PAYMENTS, CHECKOUTS]
        accepted = connection.execute(
            _EVENTS
            + """, accepted as (
                select distinct topic, event_id, event_time_ms, is_approved from events where expect = 'accepted')
            select topic, count(*), count(*) filter (is_approved = 'true') from accepted group by topic""",
            parameters,
        ).fetchall()
        bad = connection.execute(
            _EVENTS + "select kind, count(*) from events where expect = 'dead_letter' group by kind", parameters
        ).fetchall()
    by_topic = {topic: (events, approved) for topic, events, approved in accepted}
    attempts, approved = by_topic.get(PAYMENTS, (0, 0))
    return Sent(attempts, approved, by_topic.get(CHECKOUTS, (0, 0))[0], dict(bad))


def read_platform(database_url: str) -> Found:
    """Ask the gold views and the dead-letter counts."""
    with psycopg.connect(database_url) as connection:
        kpi = connection.execute(
            "select attempts, approved from gold.v_executive_kpis where kpi_window = 'all_time'"
        ).fetchone()
        checkouts = connection.execute("select count(*) from gold.fct_transactions").fetchone()
        letters = connection.execute(
            "select reason, sum(letters)::bigint from ops.dead_letter_counts group by reason"
        ).fetchall()
    attempts, approved = kpi or (0, 0)
    return Found(attempts, approved, checkouts[0] if checkouts else 0, dict(letters))


def compare(sent: Sent, found: Found) -> list[Count]:
    """Every figure that must agree."""
    return [
        Count("payment attempts", sent.attempts, found.attempts),
        Count("approved attempts", sent.approved, found.approved),
        Count("checkouts", sent.checkouts, found.checkouts),
        *_bad_counts(sent, found),
    ]


def _bad_counts(sent: Sent, found: Found) -> Iterator[Count]:
    for kind, reasons in REASONS.items():
        yield Count(f"bad: {kind}", sent.bad.get(kind, 0), sum(found.letters.get(reason, 0) for reason in reasons))
    expected = {reason for reasons in REASONS.values() for reason in reasons}
    others = sum(letters for reason, letters in found.letters.items() if reason not in expected)
    yield Count("dead letters for other reasons", 0, others)
