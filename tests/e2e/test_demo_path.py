"""A purchase happens and its approval shows on the KPI, with every kind of bad input on the way: all of it counted."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx
import psycopg
import pytest
from deltalake import DeltaTable

from domain.contracts import avro_schema, topics
from local.account import REASONS
from local.platform import Platform
from local.ports import Ports
from local.services import producer
from producer.events import PAYMENTS
from producer.faults import DEFAULT_SHARES
from tests.e2e import gold_oracle, oracle
from tests.e2e.evidence import Sources, gather, read_alerts, wait_until_drained
from tests.e2e.hostile import HOSTILE, Hostile, Sender
from tests.e2e.reconciliation import compare, reconcile

RATE = 200
SECONDS = 30
SHARE = 0.01
CUSTOMERS = 500
"""So few that many of them buy more often than the velocity rule allows."""
DEDUP_WINDOW_SECONDS = 5
DRAIN_WITHIN_S = 90.0
WINDOWS_WITHIN_S = 90.0
GOOD = Hostile("an ordinary payment", None)


@dataclass
class FinishedRun:
    """A platform through which everything has passed, and what was sent by hand, by key."""

    platform: Platform
    keys: dict[str, str]
    repeated: list[str]
    """Event ids that were sent twice: the second time within the window, and long after it."""
    moved: str
    """An event id that was sent with two different times."""
    evidence: duckdb.DuckDBPyConnection = field(init=False)

    def __post_init__(self) -> None:
        self.evidence = gather(Sources.of(self.platform))

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        return self.evidence.execute(query, list(parameters)).fetchall()


@pytest.fixture(scope="module")
def run() -> Iterator[FinishedRun]:
    kept = os.environ.get("PLATFORM_DATA")
    data = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="platform-"))
    with pytest.MonkeyPatch.context() as environment, Platform(data, Ports.free(), fresh=True) as platform:
        environment.setenv("STREAM_DEDUP_WINDOW_SECONDS", str(DEDUP_WINDOW_SECONDS))
        environment.setenv("STREAM_REVISIONS_INTERVAL_SECONDS", "1")
        environment.setenv("WINDOWS_TICK_SECONDS", "1")
        environment.setenv("PRODUCER_CUSTOMERS", str(CUSTOMERS))
        yield _run(platform)
    if not kept:
        shutil.rmtree(data)


def _run(platform: Platform) -> FinishedRun:
    platform.start("stream", "windows", "api", "dbt")
    began = time.time_ns() // 1_000_000
    arguments = ["--rate", str(RATE), "--duration", f"{SECONDS}s", "--seed", "7"]
    arguments += [option for kind in DEFAULT_SHARES for option in ("--bad", f"{kind}={SHARE}")]
    ledger = platform.data / "ledger"
    platform.start_service(
        producer(platform.site, "producer", "simulate", *arguments, "--ledger", str(ledger / "simulate.csv"))
    )
    sender = Sender(platform, ledger / "by-hand.csv")
    repeated = ["repeated-at-once", "repeated-long-after"]
    for event_id in [*repeated, repeated[0]]:
        sender.send(GOOD, event_id, began)
    keys = {message.what: sender.send(message) for message in HOSTILE}
    for at_ms in (began, began + 1):
        sender.send(GOOD, "one-id-two-times", at_ms)
    _wait_for_the_end(platform)
    sender.send(GOOD, repeated[1], began)
    wait_until_drained(Sources.of(platform), DRAIN_WITHIN_S)
    return FinishedRun(platform, keys, repeated, "one-id-two-times")


def _wait_for_the_end(platform: Platform) -> None:
    deadline = time.monotonic() + 3 * SECONDS
    while platform.is_running("producer"):
        assert time.monotonic() < deadline, f"the producer runs longer than {3 * SECONDS} s"
        time.sleep(0.2)


def test_every_account_agrees_to_the_event(run: FinishedRun) -> None:
    assert reconcile(Sources.of(run.platform)) == []


def test_every_hourly_view_shows_what_silver_gives(run: FinishedRun) -> None:
    lake, database = run.platform.site.lake, duckdb.connect()
    for name, table in (("payments", "payments_enriched_silver"), ("checkouts", "transactions_silver")):
        database.register(name, DeltaTable(str(lake / table)).to_pyarrow_table())
    gold_oracle.prepare(database)
    with psycopg.connect(run.platform.site.database_url("api")) as connection:
        assert gold_oracle.wrong_views(database, connection) == {}


@pytest.mark.parametrize(
    ("tampering", "noticed"),
    [
        ("delete from bronze where rowid = 0", "are not in Bronze"),
        ("insert into bronze select * from bronze limit 1", "in Bronze more than once"),
        ("update bronze set value = 'x' where rowid = 0", "not what Kafka holds"),
        ("update bronze set batch_id = batch_id + 1 where rowid = 0", "did not read them"),
        ("insert into silver select * from silver limit 1", "in Silver more than once"),
        ("delete from silver where rowid = 0", "of Postgres are not the same in Silver"),
        ("delete from live where rowid = 0", "of Silver are not the same in Postgres"),
        ("delete from letters where reason = 'too_large'", "among the dead letters"),
        ("insert into letters select * from letters limit 1", "more than one place"),
        ("update repetitions set event_id = 'other' where rowid = 0", "neither in Silver"),
        ("delete from ledger where not is_bad and rowid < 100", "that the ledger does not know"),
        ("update ledger set sent = sent + 1, sure = sure + 1 where rowid < 100", "sent more often"),
        ("delete from scores where rowid = 0", "have no score"),
        ("update scores set velocity_30m = velocity_30m + 1 where rowid = 0", "not the same in the lake"),
        ("delete from batches where batch_id = 2", "do not follow on each other"),
        ("update totals set records = records - 1 where batch_id = 2", "other totals"),
    ],
)
def test_one_lost_or_doubled_event_would_be_noticed(run: FinishedRun, tampering: str, noticed: str) -> None:
    run.evidence.begin()
    try:
        run.evidence.execute(tampering)
        assert any(noticed in difference for difference in compare(run.evidence)), compare(run.evidence)
    finally:
        run.evidence.rollback()


def test_every_kind_of_event_was_sent(run: FinishedRun) -> None:
    sent = run.rows("select count(*), sum(sent - 1), count(*) filter (is_bad) from ledger")[0]
    assert sent[0] > RATE * SECONDS
    assert sent[1] > RATE * SECONDS * SHARE
    found = {reason for (reason,) in run.rows("select distinct reason from letters")}
    assert found >= {reason for reasons in REASONS.values() for reason in reasons}
    assert run.rows("select 1 from ledger where is_bad group by kind having kind = 'unknown_schema'")


def test_the_api_shows_what_the_ledger_says(run: FinishedRun) -> None:
    sent, approved = run.rows(
        "select count(*), count(*) filter (is_approved) from ledger where topic = ? and not is_bad", PAYMENTS
    )[0]
    shown = _get(run, "/api/analytics/kpis", window="all_time").raise_for_status().json()
    assert (shown["attempts"], shown["approved"]) == (sent, approved)
    assert shown["approval_rate"] == pytest.approx(approved / sent, abs=1e-6)
    assert shown["late"] > 0
    last_hour = _get(run, "/api/analytics/kpis", window="last_hour").raise_for_status().json()
    assert last_hour["attempts"] == sent


def test_rules_fire_and_late_purchases_revise(run: FinishedRun) -> None:
    fired = {name for (rules,) in run.rows("select distinct rules from scores") for name in rules.split()}
    assert fired >= {"velocity", "known_fraud", "high_amount", "crypto", "high_risk_country"}
    assert run.rows("select 1 from scores where revision > 0 limit 1")


def test_windows_are_what_the_purchases_of_the_ledger_give(run: FinishedRun) -> None:
    ledger = oracle.open_ledger(run.platform.data / "ledger")
    deadline = time.monotonic() + WINDOWS_WITHIN_S
    live = oracle.InPostgres(run.platform.site.database_url("dbt"))
    while wrong := oracle.wrong_windows(ledger, live):
        assert time.monotonic() < deadline, wrong
        time.sleep(2)
    ledger.execute("update purchases set cents = cents + 1, device_id = 'another' where rowid = 3")
    assert len(oracle.wrong_windows(ledger, live)) == 5


def test_a_wrong_score_would_be_noticed(run: FinishedRun) -> None:
    ledger = oracle.open_ledger(run.platform.data / "ledger")
    assert oracle.wrong_scores(ledger, run.platform.site.lake) == ""
    ledger.execute("delete from purchases where rowid = 3")
    assert "purchases (found, expected)" in oracle.wrong_scores(ledger, run.platform.site.lake)


def test_grave_purchases_are_told(run: FinishedRun) -> None:
    told = read_alerts(run.platform.site.kafka)
    grave = run.rows("select transaction_id, risk_level from scores where risk_level in ('HIGH', 'CRITICAL')")
    assert grave
    assert {f"{purchase}:{level}" for purchase, level in grave} <= {alert["alert_id"] for alert in told}
    assert {alert["risk_level"] for alert in told} <= {"HIGH", "CRITICAL"}
    assert all(alert["rules_fired"] and alert["score"] >= 50 for alert in told)


def test_an_unknown_query_parameter_is_refused(run: FinishedRun) -> None:
    refused = _get(run, "/api/analytics/kpis", windw="last_hour")
    assert 400 <= refused.status_code < 500
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert "windw" in refused.text


def test_the_registry_refuses_an_incompatible_schema(run: FinishedRun) -> None:
    schema = avro_schema(PAYMENTS)
    amount_as_text = [{**field, "type": "string"} if field["name"] == "amount" else field for field in schema["fields"]]
    url = f"{run.platform.site.registry}/subjects/{topics()[PAYMENTS].subject}/versions"
    refused = httpx.post(url, json={"schema": json.dumps({**schema, "fields": amount_as_text})}, timeout=10)
    assert refused.status_code == httpx.codes.CONFLICT, refused.text
    assert len(httpx.get(url, timeout=10).json()) == 1


@pytest.mark.parametrize("message", [one for one in HOSTILE if one.reason], ids=lambda one: one.what)
def test_is_kept_as_a_dead_letter_with_its_reason(run: FinishedRun, message: Hostile) -> None:
    key = run.keys[message.what].encode()
    assert run.rows("select reason from letters where key = ?", key) == [(message.reason,)]
    assert all(error for (error,) in run.rows("select error from letters where key = ?", key))


@pytest.mark.parametrize("message", [one for one in HOSTILE if not one.reason], ids=lambda one: one.what)
def test_is_strange_but_accepted(run: FinishedRun, message: Hostile) -> None:
    assert run.rows("select 1 from live where event_id = ?", run.keys[message.what]) == [(1,)]


def test_the_same_event_counts_once_within_the_window_and_long_after(run: FinishedRun) -> None:
    for event_id in run.repeated:
        assert run.rows("select count(*) from live where event_id = ?", event_id) == [(1,)]
        assert run.rows("select count(*) from repetitions where event_id = ?", event_id) == [(1,)]


def test_the_same_id_at_another_time_is_another_event(run: FinishedRun) -> None:
    assert run.rows("select count(*) from live where event_id = ?", run.moved) == [(2,)]


def _get(run: FinishedRun, path: str, **parameters: str) -> httpx.Response:
    return httpx.get(run.platform.site.api + path, params=parameters, timeout=10)
