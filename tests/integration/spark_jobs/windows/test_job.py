"""The windows equal what the events say, whatever happens in between."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from deltalake import DeltaTable, write_deltalake

from domain.windows import windows
from local.repository import ROOT
from spark_jobs.windows.job import Windows
from spark_jobs.windows.live import LiveError
from spark_jobs.windows.recompute import recompute
from tests.integration.spark_jobs.windows.conftest import NOON, SILVER, Desk
from tests.integration.spark_jobs.windows.oracle import Purchase

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Killed(Exception):
    """Stands for the end of the process at this point."""


def killed(*_arguments: Any, **_named: Any) -> None:
    raise Killed


def edges() -> list[Purchase]:
    """One customer on, just before and just after the edges of windows."""
    tick = timedelta(microseconds=1)
    instants = [NOON + MINUTE * minutes + tick * off for minutes in (0, 5, 10, 15, 30, 60) for off in (-1, 0, 1)]
    return [Purchase(f"edge{at.isoformat()}", at, 7, 1.0, "Edge", "paypal", "Spain", "d1", False) for at in instants]


def test_late_and_repeated_batches_and_edges(desk: Desk) -> None:
    desk.append(desk.some(120, NOON, NOON + HOUR))
    desk.settle()
    desk.check()
    batch = edges()
    identity = desk.append(batch)
    desk.append(desk.some(50, NOON - MINUTE, NOON + 5 * MINUTE))
    desk.deliver(batch, identity)
    desk.append(desk.some(120, NOON + HOUR, NOON + 2 * HOUR))
    desk.settle()
    desk.check()


def test_what_came_while_the_job_was_away_is_counted_by_one_that_began_later(desk: Desk) -> None:
    for hour in range(12):
        desk.append(desk.some(20, NOON + hour * HOUR, NOON + (hour + 1) * HOUR))
    desk.settle()
    desk.check()


def test_purchases_older_than_the_cache_are_counted_from_silver(desk: Desk) -> None:
    desk.append(desk.some(80, NOON, NOON + 8 * HOUR))
    desk.settle()
    desk.append(desk.some(30, NOON - 2 * HOUR, NOON + HOUR))
    desk.append(desk.some(30, NOON + 2 * HOUR, NOON + 5 * HOUR))
    desk.settle()
    desk.check()


STEPS = {
    "after the cache": ("_live", "commit"),
    "after the live tables": ("_live", "tidy"),
    "before the lake": ("_gold", "replace"),
    "after the lake": ("_live", "settle"),
}


def test_a_kill_between_two_steps_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for later, (part, method) in enumerate(STEPS.values()):
        desk.append(desk.some(60, NOON + (later - 1) * HOUR / 2, NOON + (later + 1) * HOUR / 2))
        job = desk.job()
        with monkeypatch.context() as patch:
            patch.setattr(getattr(job, part), method, killed)
            with pytest.raises(Killed):
                desk.settle(job)
    desk.settle()
    desk.check()


def test_rewrites_that_change_no_data_are_passed_over(desk: Desk) -> None:
    for hour in range(3):
        desk.append(desk.some(50, NOON + hour * HOUR, NOON + (hour + 1) * HOUR))
    desk.settle()
    desk.append(desk.some(50, NOON + 2 * HOUR, NOON + 4 * HOUR))
    desk.silver.optimize.compact()
    desk.append(desk.some(50, NOON + 2 * HOUR, NOON + 4 * HOUR))
    before = revisions(desk)
    desk.silver.optimize.z_order(["user_id"])
    desk.settle()
    desk.check()
    assert before < revisions(desk)
    desk.silver.optimize.compact()
    counted = revisions(desk)
    desk.settle()
    assert revisions(desk) == counted


def revisions(desk: Desk) -> int:
    with psycopg.connect(desk.database_url) as connection:
        row = connection.execute("select coalesce(sum(revision), 0)::bigint from ops.window_revisions").fetchone()
    return int(row[0]) if row else 0


def test_a_rewritten_day_is_counted_again_and_rows_that_are_gone_go(desk: Desk) -> None:
    desk.append(desk.some(120, NOON - 14 * HOUR, NOON + 3 * HOUR))
    desk.settle()
    gone = [one for one in desk.bought if one.merchant == "Corner Shop" and one.at.date() == NOON.date()]
    assert gone
    desk.silver.delete("merchant = 'Corner Shop' and event_date = cast('2026-03-01' as date)")
    desk.bought = [one for one in desk.bought if one not in gone]
    desk.settle()
    desk.check()


def test_days_can_be_had_anew(desk: Desk) -> None:
    with psycopg.connect(desk.database_url) as connection:
        assert recompute(connection, [NOON.date()]) == 0, "the first run takes in everything anyway"
    desk.append(desk.some(120, NOON - 14 * HOUR, NOON + 3 * HOUR))
    desk.settle()
    for name, window in windows().items():
        DeltaTable(str(desk.lake / window.delta)).delete("date = cast('2026-03-01' as date)")
        assert not any(key[0].date() == NOON.date() for key in desk.delta(name))
    desk.settle()
    with pytest.raises(AssertionError):
        desk.check()
    with psycopg.connect(desk.database_url) as connection:
        assert recompute(connection, [NOON.date()]) > 24
    desk.settle()
    desk.check()


def test_windows_of_a_day_that_left_silver_stay(desk: Desk) -> None:
    desk.append(desk.some(50, NOON, NOON + HOUR))
    desk.append(desk.some(50, NOON + 40 * HOUR, NOON + 44 * HOUR))
    desk.settle()
    desk.silver.delete("event_date = cast('2026-03-01' as date)")
    desk.settle()
    desk.check()


def test_a_cache_that_is_lost_is_made_again(desk: Desk) -> None:
    file = desk.settings.cache_file
    desk.append(desk.some(60, NOON, NOON + HOUR))
    desk.settle()
    older = file.read_bytes()
    for content in (None, older, b"\x00" * len(older)):
        desk.append(desk.some(40, NOON, NOON + 2 * HOUR))
        desk.settle()
        desk.append(desk.some(40, NOON - HOUR, NOON + 3 * HOUR))
        file.unlink() if content is None else file.write_bytes(content)
        run_until_counted(desk)
        desk.settle()
        desk.check()


def run_until_counted(desk: Desk) -> None:
    """The job as a process runs it, errors and pauses included."""
    job = desk.job()
    tick = job.tick

    def last() -> bool:
        is_behind = tick()
        if not is_behind:
            job.stop()
        return is_behind

    job.tick = last  # type: ignore[method-assign]
    job.run()


def test_a_log_that_was_cleaned_meanwhile_is_no_loss(desk: Desk) -> None:
    desk.append(desk.some(50, NOON, NOON + HOUR))
    desk.settle()
    for hour in range(1, 4):
        desk.append(desk.some(50, NOON, NOON + (hour + 1) * HOUR))
    desk.silver.create_checkpoint()
    for commit in sorted((desk.lake / "transactions_silver" / "_delta_log").glob("*.json"))[:-1]:
        commit.unlink()
    desk.settle()
    desk.check()


def test_new_files_that_were_compacted_and_vacuumed_are_no_loss(desk: Desk) -> None:
    desk.append(desk.some(50, NOON, NOON + HOUR))
    desk.settle()
    desk.append(desk.some(50, NOON, NOON + 2 * HOUR))
    desk.append(desk.some(50, NOON, NOON + 3 * HOUR))
    desk.silver.optimize.compact()
    desk.silver.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    desk.settle()
    desk.check()


def test_a_table_that_was_dropped_from_the_lake_is_written_again(desk: Desk) -> None:
    desk.append(desk.some(50, NOON, NOON + 3 * HOUR))
    desk.settle()
    for path in sorted((desk.lake / windows()["users_1h"].delta).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    desk.settle()
    desk.check()


def test_another_lake_is_counted_from_its_beginning(desk: Desk) -> None:
    desk.append(desk.some(50, NOON, NOON + 2 * HOUR))
    desk.settle()
    rows = desk.silver.to_pyarrow_table()
    for path in sorted((desk.lake / "transactions_silver").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    write_deltalake(str(desk.lake / "transactions_silver"), rows.select(SILVER.names), partition_by="event_date")
    desk.append(desk.some(50, NOON, NOON + 3 * HOUR))
    desk.settle()
    desk.check()


def test_only_one_process_computes(desk: Desk) -> None:
    desk.append(desk.some(10, NOON, NOON + HOUR))
    first = desk.job()
    first.tick()
    second = Windows(desk.settings.model_copy(update={"cache_file": desk.settings.cache_file.with_name("other")}))
    with pytest.raises(LiveError, match="another process computes"):
        second.tick()
    first.close()
    second.close()
    desk.settle(second)
    desk.check()


def test_a_process_killed_again_and_again_counts_right(desk: Desk) -> None:
    settings = desk.settings
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url,
        "LAKE_URI": settings.lake_uri,
        "WINDOWS_CACHE_FILE": str(settings.cache_file),
        "WINDOWS_TICK_SECONDS": "0.05",
        "WINDOWS_LAKE_SECONDS": "0.05",
        "WINDOWS_REVISE_SECONDS": "0",
        "WINDOWS_METRICS_PORT": "0",
    }
    for kill in range(3):
        process = subprocess.Popen([sys.executable, "-m", "spark_jobs", "windows"], cwd=ROOT, env=env)
        try:
            deadline = time.monotonic() + 2.5 + kill / 3
            while time.monotonic() < deadline:
                desk.append(desk.some(40, NOON, NOON + (kill + 1) * HOUR))
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    desk.settle()
    desk.check()
