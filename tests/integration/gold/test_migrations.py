"""Migrating is repeatable, and each role can do its work and no more."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import psycopg
import pytest

from local.repository import ROOT
from tests.integration.gold.conftest import Warehouse

DAYS = [date(2026, 3, day) for day in range(1, 6)]


def migrate(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "postgres.migrate"]
    kept = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120, check=False)


def test_migrating_again_changes_nothing_even_twice_at_once(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(migrate, [warehouse.platform.env] * 2))
    assert [result.returncode for result in results] == [0, 0], results[0].stderr + results[1].stderr


def test_a_changed_password_is_set(warehouse: Warehouse) -> None:
    env = warehouse.platform.env
    try:
        assert migrate({**env, "PAYMENTS_API_PASSWORD": "an%other'one"}).returncode == 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            warehouse.connect("api")
    finally:
        assert migrate(env).returncode == 0
    warehouse.connect("api").close()


def test_a_missing_variable_is_named_and_no_value_is_shown(warehouse: Warehouse) -> None:
    env = {**warehouse.platform.env}
    del env["PAYMENTS_DBT_PASSWORD"]
    result = migrate(env)
    assert result.returncode == 1
    assert "PAYMENTS_DBT_PASSWORD" in result.stderr
    assert env["PAYMENTS_API_PASSWORD"] not in result.stderr


def test_postgres_away_is_said_after_a_bounded_wait(warehouse: Warehouse) -> None:
    away = {"POSTGRES_ADMIN_URL": "postgresql://postgres:x@127.0.0.1:1/postgres", "POSTGRES_WAIT_SECONDS": "1"}
    result = migrate({**warehouse.platform.env, **away})
    assert result.returncode == 1
    assert "did not answer within 1 s" in result.stderr


def test_a_wrong_password_is_not_waited_for(warehouse: Warehouse) -> None:
    url = warehouse.platform.env["POSTGRES_ADMIN_URL"].replace("postgres:", "nobody:", 1)
    wrong = url if url != warehouse.platform.env["POSTGRES_ADMIN_URL"] else url.replace("@", "x@")
    result = migrate({**warehouse.platform.env, "POSTGRES_ADMIN_URL": wrong, "POSTGRES_WAIT_SECONDS": "60"})
    assert result.returncode == 1
    assert "authentication failed" in result.stderr


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("api", "select * from live.payments"),
        ("api", "select * from live.progress"),
        ("api", "create table gold.mine (n int)"),
        ("api", "create temporary table mine (n int)"),
        ("api", "delete from ops.batches"),
        ("api", "select live.ensure_partitions('payments', '{2026-03-01}')"),
        ("dbt", "insert into live.payment_hours values (now(), 1)"),
        ("dbt", "create table live.mine (n int)"),
        ("dbt", "create table public.mine (n int)"),
        ("stream", "create table live.mine (n int)"),
        ("stream", "drop table live.payments"),
        ("stream", "select * from gold.v_executive_kpis"),
    ],
)
def test_a_role_cannot_do_what_is_not_its_work(warehouse: Warehouse, role: str, statement: str) -> None:
    with warehouse.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize(
    "table", ["ops.batches", "ops.dead_letter_counts", "ops.expectation_results", "gold.fct_payments"]
)
def test_the_api_reads_what_it_serves(warehouse: Warehouse, table: str) -> None:
    with warehouse.connect("api") as connection:
        connection.execute(f"select * from {table} limit 1")


def test_sessions_start_with_the_settings_of_their_role(warehouse: Warehouse) -> None:
    with warehouse.connect("api") as connection:
        values = [connection.execute(f"show {name}").fetchone() for name in ("jit", "statement_timeout", "timezone")]
    assert values == [("off",), ("30s",), ("UTC",)]


def bounds(warehouse: Warehouse, table: str) -> dict[str, str]:
    query = (
        "select c.relname, pg_get_expr(c.relpartbound, c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid "
        "where i.inhparent = %s::regclass"
    )
    with warehouse.connect("postgres") as connection:
        connection.execute("set timezone = 'UTC'")
        return dict(connection.execute(query, [f"live.{table}"]).fetchall())


def make_partitions(warehouse: Warehouse) -> None:
    with warehouse.connect("stream") as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        connection.execute("select live.ensure_partitions('transactions', %s::date[])", [[*DAYS, DAYS[0], None]])


def test_partitions_made_by_many_at_once_are_utc_days(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make_partitions, [warehouse] * 4))
    found = bounds(warehouse, "transactions")
    assert found["transactions_20260301"] == (
        "FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-03-02 00:00:00+00')"
    )
    assert {f"transactions_{day:%Y%m%d}" for day in DAYS} <= found.keys()


def test_a_partition_is_made_while_a_reader_holds_the_table(warehouse: Warehouse) -> None:
    with warehouse.connect("dbt") as reader, warehouse.connect("stream") as stream, reader.transaction():
        reader.execute("select count(*) from live.payments")
        stream.execute("set lock_timeout = '2s'")
        stream.execute(
            "select live.ensure_partitions('payments', %s::date[])", [[datetime(2031, 1, 1, tzinfo=UTC).date()]]
        )


@pytest.mark.parametrize("table", ["progress", "payments; drop table live.payments", None])
def test_no_other_table_is_partitioned(warehouse: Warehouse, table: str | None) -> None:
    with (
        warehouse.connect("stream") as connection,
        pytest.raises(psycopg.errors.RaiseException, match="knows no table"),
    ):
        connection.execute("select live.ensure_partitions(%s, '{2026-03-01}')", [table])
