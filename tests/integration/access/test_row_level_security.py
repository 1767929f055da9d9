"""Why analysts read through a function: what row-level security on the payments would do, tried (ADR 0012).

These hold the reasons, not the product: should a later Postgres behave otherwise, the decision may be made anew.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.access.conftest import Site

ROWS, OTHERS = 5_000, 3_333
DAY = "'2026-03-01'"


@pytest.fixture
def admin(site: Site) -> Iterator[psycopg.Connection]:
    """A table partitioned as live.payments is, with rows of three merchants and a policy for each of two roles."""
    with site.connect("postgres") as connection:
        connection.execute(f"""
            create schema trial;
            create table trial.payments (event_id text, at date, merchant_id text, primary key (event_id, at))
                partition by range (at);
            create table trial.payments_20260301 partition of trial.payments for values from ({DAY}) to ('2026-03-02');
            insert into trial.payments select n::text, {DAY}, 'm-' || (n % 3) from generate_series(0, {ROWS} - 1) as n;
            create role trial_writer login password 'trial';
            create role trial_reader login password 'trial';
            grant connect, temporary on database payments to trial_writer, trial_reader;
            grant usage on schema trial to trial_writer, trial_reader;
            grant select, insert on trial.payments to trial_writer;
            grant select on trial.payments, trial.payments_20260301 to trial_reader;
            alter table trial.payments enable row level security;
            create policy everything on trial.payments to trial_writer using (true) with check (true);
            create policy own on trial.payments for select to trial_reader using (merchant_id = 'm-1');
        """)
        yield connection
        connection.execute("drop schema trial cascade")
        connection.execute("drop owned by trial_writer, trial_reader; drop role trial_writer, trial_reader")


@pytest.fixture
def writer(site: Site, admin: psycopg.Connection) -> Iterator[psycopg.Connection]:
    yield from _login(site, "trial_writer")


@pytest.fixture
def reader(site: Site, admin: psycopg.Connection) -> Iterator[psycopg.Connection]:
    yield from _login(site, "trial_reader")


def _login(site: Site, role: str) -> Iterator[psycopg.Connection]:
    url = re.sub("//payments_analyst:[^@]+@", f"//{role}:trial@", site.url("analyst"))
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def copied(connection: psycopg.Connection, event_id: str, table: str = "trial.payments") -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy {table} from stdin") as copy:
        copy.write_row((event_id, "2026-03-01", "m-1"))


def count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_a_policy_forbids_the_writer_to_copy(writer: psycopg.Connection, admin: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY FROM not supported with row-level security"):
        copied(writer, "new")
    assert count(admin, "trial.payments") == ROWS


def test_staged_rows_can_be_inserted_in_spite_of_it(writer: psycopg.Connection) -> None:
    writer.execute("create temporary table staged (like trial.payments)")
    copied(writer, "new", "staged")
    copied(writer, "1", "staged")
    added = writer.execute("insert into trial.payments select * from staged on conflict do nothing").rowcount
    assert added == 1


def test_a_writer_that_bypasses_policies_can_copy(
    admin: psycopg.Connection, site: Site, writer: psycopg.Connection
) -> None:
    admin.execute("alter role trial_writer bypassrls")
    copied(writer, "new")
    assert count(admin, "trial.payments") == ROWS + 1


def test_a_partition_by_its_own_name_knows_no_policy(reader: psycopg.Connection) -> None:
    assert count(reader, "trial.payments") == ROWS - OTHERS
    assert count(reader, "trial.payments_20260301") == ROWS


def test_a_plan_tells_how_much_the_others_sell(reader: psycopg.Connection) -> None:
    plan = "\n".join(row[0] for row in reader.execute("explain analyze select * from trial.payments").fetchall())
    assert f"Rows Removed by Filter: {OTHERS}" in plan
