"""The watcher on a real Postgres: what it finds, and that nothing it survives changes that."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from local.repository import ROOT
from ml.anomalies import store
from tests.integration.ml.conftest import Stream

MINUTE = timedelta(minutes=1)
OUTAGE = {"ProcessorB": 30}


def calm(stream: Stream, until: datetime, minutes: int = 60) -> None:
    for back in range(minutes, 0, -1):
        stream.minute(until - back * MINUTE)
    stream.reached(until + 90 * timedelta(seconds=1))


def outage(stream: Stream, at: datetime, minutes: int) -> None:
    for number in range(minutes):
        stream.minute(at + number * MINUTE, declined=OUTAGE)
    stream.reached(at + minutes * MINUTE + timedelta(seconds=90))


def test_a_failing_processor_is_one_anomaly_with_start_reason_and_end(stream: Stream, now: datetime) -> None:
    calm(stream, now)
    stream.watch()
    assert stream.ask("select count(*) from ops.anomalies") == [(0,)]

    outage(stream, now, 3)
    stream.watch()
    found = stream.ask("select metric, dimension, value, started_at, ended_at, reason, severity from ops.anomalies")
    assert [row[:5] for row in found] == [("approval_rate", "processor", "ProcessorB", now, None)]
    assert "ProcessorB: approval 25.0% against an expected 90" in found[0][5]
    assert "most of the extra declines are processor_error" in found[0][5]
    assert found[0][6] == "critical"

    after = now + 3 * MINUTE
    for number in range(8):
        stream.minute(after + number * MINUTE)
    stream.reached(after + 8 * MINUTE + timedelta(seconds=90))
    stream.watch()
    assert stream.ask("select started_at, ended_at from ops.anomalies") == [(now, after)]


def test_a_watcher_that_starts_at_every_minute_finds_the_same(stream: Stream, now: datetime) -> None:
    calm(stream, now)
    for number in range(3):
        outage(stream, now + number * MINUTE, 1)
        assert stream.watch() > 0
        assert stream.watch() == 0
    assert stream.ask("select value, started_at, ended_at from ops.anomalies") == [("ProcessorB", now, None)]


def test_late_payments_revise_the_series_and_are_counted_once(stream: Stream, now: datetime) -> None:
    calm(stream, now, 30)
    stream.watch()
    late = now - 5 * MINUTE
    stream.minute(late, n=10, declined=dict.fromkeys(("ProcessorA", "ProcessorB", "ProcessorC"), 0), batch="late")
    stream.watch()
    stream.watch()
    counted = stream.ask(
        f"select attempts, approved, declines from ops.series_minutes where dimension = 'all' and minute = '{late}'"
    )
    assert counted == [(150, 138, {"do_not_honor": 12})]


def test_every_series_of_a_minute_adds_up_to_the_payments(stream: Stream, now: datetime) -> None:
    calm(stream, now, 3)
    stream.watch()
    sums = stream.ask("select dimension, sum(attempts), sum(approved) from ops.series_minutes group by 1 order by 1")
    names = ["all", "issuer", "merchant_segment", "processor", "processor x merchant_segment"]
    assert sums == [(name, 360, 324) for name in names]
    assert stream.ask("select count(*) from ops.series_minutes where value = 'ProcessorB x Travel'") == [(3,)]


def test_calm_minutes_become_history_and_those_of_an_anomaly_do_not(stream: Stream, now: datetime) -> None:
    calm(stream, now, 35)
    outage(stream, now, 3)
    stream.watch()
    stream.minute(now + 30 * MINUTE)
    stream.reached(now + 32 * MINUTE)
    with store.connect(stream.url) as connection:
        store.roll_up(connection, store.minute_of(now), store.minute_of(now))
    hour = now.replace(minute=0)
    assert stream.ask(f"select minutes from ops.series_hours where dimension = 'all' and hour = '{hour}'") == [(35,)]


def test_no_payments_at_all_is_an_anomaly_of_the_volume(stream: Stream) -> None:
    last = datetime.now(UTC).replace(second=0, microsecond=0) - 10 * MINUTE
    for back in range(45, -1, -1):
        stream.minute(last - back * MINUTE)
    stream.reached(last + MINUTE, committed_at=last + MINUTE)
    stream.watch()
    found = stream.ask("select metric, value, observed, reason from ops.anomalies")
    assert [row[:3] for row in found] == [("volume", "all", 0.0)]
    assert "no attempts were seen" in found[0][3]


def test_two_watchers_take_turns_and_a_kill_loses_nothing(stream: Stream, now: datetime) -> None:
    calm(stream, now)
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": stream.url, "ANOMALIES_METRICS_PORT": "0"}
    command = [sys.executable, "-m", "ml.anomalies", "watch"]
    env["ANOMALIES_POLL_SECONDS"] = "0.2"
    both = [subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        _wait_for(stream, "select 1 from ops.anomaly_progress")
        outage(stream, now, 3)
        _wait_for(stream, "select 1 from ops.anomalies")
        both[0].send_signal(signal.SIGKILL)
        stream.minute(now + 3 * MINUTE, declined=OUTAGE)
        stream.reached(now + 4 * MINUTE + timedelta(seconds=90))
        judged = store.instant(store.minute_of(now + 3 * MINUTE))
        _wait_for(stream, f"select 1 from ops.anomaly_progress where judged_until >= '{judged}'")
    finally:
        for process in both:
            process.terminate()
            process.communicate(timeout=20)
    assert stream.ask("select value, started_at from ops.anomalies") == [("ProcessorB", now)]


def _wait_for(stream: Stream, query: str) -> None:
    deadline = time.monotonic() + 60
    while not stream.ask(query):
        assert time.monotonic() < deadline, query
        time.sleep(0.1)
