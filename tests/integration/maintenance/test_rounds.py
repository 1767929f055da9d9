"""Every step leaves the same rows, keeps its promises about old versions, and may be repeated."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from domain.lake import TableKeeping, keeping
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.maintenance import retention
from spark_jobs.maintenance.ledger import Ledger
from spark_jobs.maintenance.rounds import STEPS, Round
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.maintenance.tables import data_files, tables
from spark_jobs.maintenance.vacuum import log_files

from .conftest import STREAM, TABLE, TODAY, Fill, purchases, stored

YESTERDAY = TODAY - timedelta(days=2)
LONG_AGO = TODAY - timedelta(days=100)


FUTURE = TODAY + timedelta(days=60)


def run(settings: MaintenanceSettings, *steps: str, days_later: int = 0) -> None:
    """A round as it will be so many days later."""
    later = Round(settings, frozenset([TABLE]), clock=lambda: datetime.now(UTC) + timedelta(days=days_later))
    assert later.run(steps or STEPS) == 0


def age(folder: Path, hours: float) -> None:
    """Make every file look as if it had been written so many hours ago."""
    at = time.time() - hours * 3600
    for file in folder.rglob("*"):
        os.utime(file, (at, at))


def test_days_are_compacted_and_those_that_are_over_ordered_once(settings: MaintenanceSettings, fill: Fill) -> None:
    numbers = fill(YESTERDAY, 0, 12) + fill(TODAY, 12, 12)
    lake = Path(settings.lake_uri)
    run(settings)
    table = DeltaTable(str(lake / TABLE))
    assert len(data_files(table)) == 2
    assert stored(lake) == numbers
    strategies = [one.get("operationMetrics", {}).get("plannerStrategy") for one in table.history()]
    assert strategies.count("zOrder") == 1
    run(settings)
    assert DeltaTable(str(lake / TABLE)).version() == table.version()


def test_a_batch_is_still_known_after_compaction_checkpoint_and_a_cleaned_log(
    settings: MaintenanceSettings, fill: Fill
) -> None:
    numbers = fill(TODAY, 0, 20)
    lake = Path(settings.lake_uri)
    cached = Lake(settings.lake_uri)
    cached.append(TABLE, purchases([20], TODAY), BatchIdentity(STREAM, 20), "event_date")
    run(settings)
    age(lake / TABLE / "_delta_log", 24 * 30)
    run(settings, "vacuum")
    assert not (lake / TABLE / "_delta_log" / f"{0:020}.json").exists()
    for batch in (7, 20):
        fresh = Lake(settings.lake_uri)
        fresh.append(TABLE, purchases([batch], TODAY), BatchIdentity(STREAM, batch), "event_date")
    assert stored(lake) == [*numbers, 20]


def test_a_writer_that_slept_while_the_log_was_cleaned_loses_and_doubles_nothing(
    settings: MaintenanceSettings, fill: Fill
) -> None:
    sleeper = Lake(settings.lake_uri)
    sleeper.append(TABLE, purchases([-1], TODAY), BatchIdentity("sleeper", 0), "event_date")
    numbers = fill(TODAY, 0, 15)
    lake = Path(settings.lake_uri)
    run(settings)
    age(lake / TABLE / "_delta_log", 24 * 30)
    run(settings, "vacuum")
    try:
        sleeper.append(TABLE, purchases([-2], TODAY), BatchIdentity("sleeper", 1), "event_date")
    except DeltaError:
        again = Lake(settings.lake_uri)
        again.append(TABLE, purchases([-2], TODAY), BatchIdentity("sleeper", 1), "event_date")
    assert stored(lake) == [-2, -1, *numbers]


def test_promised_versions_stay_readable_and_older_files_go(settings: MaintenanceSettings, fill: Fill) -> None:
    before = fill(TODAY, 0, 12)
    lake = Path(settings.lake_uri)
    version = DeltaTable(str(lake / TABLE)).version()
    orphan = lake / TABLE / f"event_date={TODAY}" / "left-by-a-killed-writer.parquet"
    orphan.write_bytes(b"half a file")
    run(settings)
    assert stored(lake, version=version) == before
    assert orphan.exists()
    os.utime(orphan, (0, 0))
    run(settings, "vacuum")
    assert not orphan.exists()
    assert stored(lake, version=version) == before


def test_the_hourly_checkpoint_of_an_old_day_can_be_travelled_to(settings: MaintenanceSettings, fill: Fill) -> None:
    before = fill(TODAY, 0, 12)
    lake = Path(settings.lake_uri)
    table = DeltaTable(str(lake / TABLE))
    table.create_checkpoint()
    age(lake / TABLE / "_delta_log", 48)
    fill(TODAY, 12, 12)
    DeltaTable(str(lake / TABLE)).create_checkpoint()
    age(lake / TABLE / "_delta_log", 24)
    for file in (lake / TABLE / "_delta_log").glob(f"{table.version():020}*"):
        os.utime(file, (time.time() - 48 * 3600,) * 2)
    run(settings)
    kept = tables(settings.lake_uri)[0]
    assert min(one.version for one in log_files(kept) if one.is_checkpoint) == table.version()
    assert not (lake / TABLE / "_delta_log" / f"{3:020}.json").exists()
    assert stored(lake, version=table.version()) == before


def test_a_forgotten_file_stays_while_a_promised_checkpoint_needs_it(
    settings: MaintenanceSettings, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spark_jobs.maintenance.tables.keeping", lambda name: replace(keeping(name), log_hours=0))
    lake = Path(settings.lake_uri)
    promised = fill(TODAY, 0, 12)
    run(settings, "vacuum")
    table = DeltaTable(str(lake / TABLE))
    table.create_checkpoint()
    age(lake / TABLE / "_delta_log", 48)
    run(settings, "compact")
    later = fill(TODAY, 12, 12)
    run(settings, "compact")
    DeltaTable(str(lake / TABLE)).create_checkpoint()
    age(lake / TABLE / f"event_date={TODAY}", 24 * 365)
    files = len(data_paths(lake))
    run(settings, "vacuum")
    assert files - len(data_paths(lake)) >= len(later)
    assert stored(lake, version=table.version()) == promised
    assert stored(lake) == [*promised, *later]


@pytest.fixture
def archived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spark_jobs.maintenance.tables.keeping", _archiving)


def _archiving(name: str) -> TableKeeping:
    return replace(keeping(name), archive=True)


def data_paths(lake: Path) -> set[Path]:
    return set((lake / TABLE).rglob("*/*.parquet")) - set((lake / TABLE / "_delta_log").rglob("*"))


def in_archive(settings: MaintenanceSettings) -> list[int]:
    files = sorted(Path(settings.archive_uri).rglob("*.parquet"))
    return sorted(n for file in files for n in pq.read_table(file, columns=["n"]).column("n").to_pylist())


@pytest.mark.usefixtures("archived")
def test_an_expired_day_is_copied_verified_and_deleted(settings: MaintenanceSettings, fill: Fill) -> None:
    old, new = fill(LONG_AGO, 0, 12), fill(FUTURE, 12, 3)
    run(settings, "retain", days_later=95)
    assert stored(Path(settings.lake_uri)) == new
    assert in_archive(settings) == old
    late = fill(LONG_AGO, 15, 2)
    run(settings, "retain", days_later=95)
    assert in_archive(settings) == old + late
    assert stored(Path(settings.lake_uri)) == new


@pytest.mark.usefixtures("archived")
@pytest.mark.parametrize(
    "killed_before",
    [
        "spark_jobs.maintenance.retention._verify",
        "deltalake.DeltaTable.delete",
        "deltalake.fs.DeltaStorageHandler.move",
    ],
)
def test_an_archive_run_that_is_killed_is_completed_by_the_next(
    settings: MaintenanceSettings, fill: Fill, monkeypatch: pytest.MonkeyPatch, killed_before: str
) -> None:
    old, new = fill(LONG_AGO, 0, 3), fill(FUTURE, 3, 3)

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(killed_before, kill)
        with pytest.raises(Killed):
            run(settings, "retain", days_later=95)
    fill(LONG_AGO, 6, 1)
    run(settings, "retain", days_later=95)
    assert in_archive(settings) == [*old, 6]
    assert stored(Path(settings.lake_uri)) == new
    assert not list(Path(settings.archive_uri).rglob("*.pending"))


def test_history_that_was_loaded_of_late_stays(settings: MaintenanceSettings, fill: Fill) -> None:
    old = fill(LONG_AGO, 0, 12)
    run(settings)
    assert stored(Path(settings.lake_uri)) == old
    run(settings, "retain", days_later=95)
    assert stored(Path(settings.lake_uri)) == []


def test_old_days_leave_postgres_and_the_newest_batch_stays_known(settings: MaintenanceSettings) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("select live.ensure_partitions('payments', %s::date[])", [[LONG_AGO, TODAY]])
        connection.execute("delete from ops.batches where query = 'old'")
        for batch, committed in ((1, LONG_AGO), (2, LONG_AGO)):
            connection.execute(
                "insert into ops.batches (query, batch_id, committed_at, records, payments, transactions, duplicates, "
                "dead_letters, late, offsets) values ('old', %s, %s, 0, 0, 0, 0, 0, 0, '{}')",
                [batch, committed],
            )
        dropped = retention.retain_database(settings.database_url, 90, 90, datetime.now(UTC))
        assert f"payments_{LONG_AGO:%Y%m%d}" in dropped
        left = connection.execute("select batch_id from ops.batches where query = 'old'").fetchall()
        days = connection.execute("select to_regclass(%s) is not null", [f"live.payments_{TODAY:%Y%m%d}"]).fetchone()
    assert left == [(2,)]
    assert days == (True,)


def test_purchases_of_long_ago_that_arrived_of_late_stay_in_postgres(settings: MaintenanceSettings) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        for table in ("transactions", "fraud_scores"):
            connection.execute("select live.ensure_partitions(%s, %s::date[])", [table, [LONG_AGO]])
        connection.execute(
            "insert into live.transactions values ('loaded-of-late', %s, 1, 1, 'm', false, 'paypal', null, null, 'd', "
            "'small', false, true, clock_timestamp(), 0, 999999) on conflict do nothing",
            [datetime.combine(LONG_AGO, datetime.min.time(), UTC)],
        )
        names = {f"{table}_{LONG_AGO:%Y%m%d}" for table in ("transactions", "fraud_scores")}
        assert not names & set(retention.retain_database(settings.database_url, 90, 90, datetime.now(UTC)))
        connection.execute("delete from live.transactions where transaction_id = 'loaded-of-late'")
        assert names <= set(retention.retain_database(settings.database_url, 90, 90, datetime.now(UTC)))


def test_aggregates_outlive_the_detail_and_then_leave_with_their_versions(settings: MaintenanceSettings) -> None:
    """The batch layer is told that the detail is gone; aggregates of days whose detail is there stay."""
    now = datetime.now(UTC)
    hours = [datetime.combine(now.date() - timedelta(days=age), datetime.min.time(), UTC) for age in (95, 60, 8)]
    insert = "insert into live.latency_hours values (%s, 'retained', 1, 1) on conflict do nothing"
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        for hour in hours:
            connection.execute(insert, [hour])
            connection.execute("insert into live.payment_hours values (%s, 1) on conflict do nothing", [hour])
        connection.execute("select live.ensure_partitions('payments', %s::date[])", [[hour.date() for hour in hours]])
        query = "select hour from live.latency_hours join live.payment_hours using (hour) where processor = 'retained'"

        retention.retain_database(settings.database_url, 100, 100, now)
        assert {row[0] for row in connection.execute(query)} == set(hours)
        retention.retain_database(settings.database_url, 7, 90, now)
        assert {row[0] for row in connection.execute(query)} == set(hours[1:])
        extent = connection.execute("select complete_from from live.detail_extent").fetchone()
        assert extent == (hours[2] + timedelta(days=1),)
        connection.execute("delete from live.latency_hours where processor = 'retained'")
        connection.execute("delete from live.payment_hours where hour = any (%s)", [hours])
        connection.execute("update live.detail_extent set complete_from = '-infinity'")


def test_aggregates_of_days_whose_detail_is_kept_stay(settings: MaintenanceSettings) -> None:
    hour = datetime.combine(LONG_AGO, datetime.min.time(), UTC)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("select live.ensure_partitions('payments', %s::date[])", [[LONG_AGO]])
        columns = connection.execute(
            "select column_name, data_type from information_schema.columns where table_schema = 'live' "
            "and table_name = 'payments' and is_nullable = 'NO'"
        ).fetchall()
        made = {"boolean": "false", "text": "'late'", "timestamp with time zone": "%(now)s::timestamptz"}
        values = {name: made.get(kind, "0") for name, kind in columns} | {"event_timestamp": "%(hour)s::timestamptz"}
        connection.execute(
            f"insert into live.payments ({', '.join(values)}) select {', '.join(values.values())}",
            {"now": datetime.now(UTC), "hour": hour},
        )
        connection.execute("insert into live.latency_hours values (%s, 'retained', 1, 1)", [hour])
        query = "select count(*) from live.latency_hours where processor = 'retained'"
        retention.retain_database(settings.database_url, 7, 90, datetime.now(UTC))
        assert connection.execute(query).fetchone() == (1,)
        connection.execute("delete from live.payments where event_id = 'late'")
        retention.retain_database(settings.database_url, 7, 90, datetime.now(UTC))
        assert connection.execute(query).fetchone() == (0,)
        connection.execute("update live.detail_extent set complete_from = '-infinity'")


def test_nobody_can_drop_days_of_the_last_week(settings: MaintenanceSettings) -> None:
    with (
        psycopg.connect(settings.database_url) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="seven"),
    ):
        connection.execute("select live.drop_oldest_partition(%s)", [TODAY])


def test_a_reader_makes_the_drop_wait_for_the_next_run(settings: MaintenanceSettings) -> None:
    with psycopg.connect(settings.database_url) as reader:
        reader.execute("select live.ensure_partitions('payments', %s::date[])", [[LONG_AGO]])
        reader.commit()
        reader.execute("select count(*) from live.payments")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            retention.retain_database(settings.database_url, 90, 90, datetime.now(UTC))
    assert f"payments_{LONG_AGO:%Y%m%d}" in retention.retain_database(settings.database_url, 90, 90, datetime.now(UTC))


def test_a_step_that_fails_is_recorded_and_the_others_go_on(
    settings: MaintenanceSettings, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(TODAY, 0, 12)

    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("spark_jobs.maintenance.rounds.compact", full)
    assert Round(settings, frozenset([TABLE])).run(STEPS) == 1
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute("select step, error from ops.lake_maintenance order by run_id desc limit 1").fetchone()
    assert row == ("compact", "No space left on device")
    assert Ledger(settings.database_url).clustered("no_such_table") == {}
