"""An analyst sees the payments of their merchants, masked, and nothing else, whatever they try."""

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.access.conftest import PURCHASES, Site

SEEN = "select * from analyst.payments"


@pytest.fixture(scope="module", autouse=True)
def granted(site: Site) -> Iterator[None]:
    """m-1 for the role itself, m-2 for Anna, who is a login of her own."""
    with site.connect("postgres") as admin:
        admin.execute("create role anna login password 'anna' in role payments_analyst")
    with site.connect("access") as access:
        access.execute("insert into ops.analyst_merchants values ('payments_analyst', 'm-1'), ('anna', 'm-2')")
    yield
    with site.connect("access") as access:
        access.execute("delete from ops.analyst_merchants")


@pytest.fixture
def analyst(site: Site) -> Iterator[psycopg.Connection]:
    with site.connect("analyst") as connection:
        yield connection


@pytest.fixture
def anna(site: Site) -> Iterator[psycopg.Connection]:
    url = re.sub("//payments_analyst:[^@]+@", "//anna:anna@", site.url("analyst"))
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def admin(site: Site) -> Iterator[psycopg.Connection]:
    with site.connect("postgres") as connection:
        yield connection


def events(connection: psycopg.Connection, query: str = "select event_id from analyst.payments") -> set[str]:
    return {row[0] for row in connection.execute(query).fetchall()}


def test_every_payment_of_the_own_merchants_and_no_other(
    analyst: psycopg.Connection, anna: psycopg.Connection, admin: psycopg.Connection
) -> None:
    for connection, merchant in ((analyst, "m-1"), (anna, "m-2")):
        own = events(admin, f"select event_id from live.payments where merchant_id = '{merchant}'")
        assert len(own) == PURCHASES / 6
        assert events(connection) == own
        hour = "select event_id from analyst.payments where event_hour = '2026-03-01 01:00:00+00'"
        assert events(connection, hour) == {
            one for one in own if PURCHASES / 3 <= int(one.removeprefix("event-")) < PURCHASES * 2 / 3
        }


@pytest.fixture
def a_second_checkout(admin: psycopg.Connection) -> Iterator[str]:
    """A purchase of m-2 that claims to have been begun twice, by another customer the second time."""
    columns = [row[0] for row in admin.execute(
        "select attname from pg_attribute where attrelid = 'live.transactions'::regclass and attnum > 0 "
        "order by attnum").fetchall()]  # fmt: skip
    other = {"event_timestamp": "event_timestamp + interval '10 minutes'", "user_id": "999", "device_id": "'another'"}
    values = ", ".join(other.get(column, column) for column in columns)
    admin.execute(
        f"insert into live.transactions select {values} from live.transactions where transaction_id = 'purchase-1'"
    )
    yield "purchase-1"
    admin.execute("delete from live.transactions where device_id = 'another'")


def test_each_payment_is_seen_once_also_on_the_hour_and_with_two_checkouts(
    site: Site, anna: psycopg.Connection, admin: psycopg.Connection, a_second_checkout: str
) -> None:
    with site.connect("access") as access:
        access.execute("insert into ops.analyst_merchants values ('anna', 'm-1'), ('anna', 'm-3')")
        try:
            seen = sorted(row[0] for row in anna.execute("select event_id from analyst.payments").fetchall())
        finally:
            access.execute("delete from ops.analyst_merchants where role_name = 'anna' and merchant_id <> 'm-2'")
    on_the_hour = "select event_id from live.payments where event_timestamp = date_trunc('hour', event_timestamp)"
    assert len(events(admin, on_the_hour)) == 3
    assert seen == sorted(events(admin, "select event_id from live.payments"))
    mine = f"select customer from analyst.payments where transaction_id = '{a_second_checkout}'"
    with_both = events(anna, mine)
    admin.execute("delete from live.transactions where device_id = 'another'")
    assert events(anna, mine) == with_both


def test_without_a_merchant_there_is_nothing_to_see(site: Site, anna: psycopg.Connection) -> None:
    with site.connect("access") as access:
        access.execute("delete from ops.analyst_merchants where role_name = 'anna'")
        try:
            assert events(anna) == set()
        finally:
            access.execute("insert into ops.analyst_merchants values ('anna', 'm-2')")


def test_card_customer_and_device_are_masked_but_can_be_told_apart(
    analyst: psycopg.Connection, admin: psycopg.Connection
) -> None:
    rows = analyst.execute("select card_bin, customer, device from analyst.payments").fetchall()
    assert {row[0] for row in rows} == {"4*****"}
    true = admin.execute(
        "select count(distinct user_id), count(distinct device_id) from live.transactions where transaction_id in"
        " (select transaction_id from live.payments where merchant_id = 'm-1')"
    ).fetchone()
    assert (len({row[1] for row in rows}), len({row[2] for row in rows})) == true
    assert all(re.fullmatch("customer-[0-9a-f]{16}", row[1]) for row in rows)
    assert all(re.fullmatch("device-[0-9a-f]{16}", row[2]) for row in rows)
    assert analyst.execute("select customer from analyst.payments order by event_id").fetchall() == (
        analyst.execute("select customer from analyst.payments order by event_id").fetchall()
    )


def test_a_customer_has_another_name_for_another_login(
    site: Site, analyst: psycopg.Connection, anna: psycopg.Connection
) -> None:
    with site.connect("access") as access:
        access.execute("insert into ops.analyst_merchants values ('anna', 'm-1')")
        try:
            names = "select customer from analyst.payments where merchant_id = 'm-1'"
            assert events(analyst, names) & events(anna, names) == set()
        finally:
            access.execute("delete from ops.analyst_merchants where role_name = 'anna' and merchant_id = 'm-1'")


@pytest.mark.parametrize(
    "statement",
    [
        "select * from live.payments",
        "select * from live.payments_20260301",
        "select count(*) from live.payments",
        "select * from live.transactions",
        "select * from live.payment_hours",
        "select * from live.payment_minutes",
        "select * from live.merchant_history",
        "select * from ops.analyst_merchants",
        "select * from ops.pseudonym_secret",
        "select * from ops.api_keys",
        "select * from ops.query_audit",
        "select * from ops.v_progress",
        "insert into ops.analyst_merchants values ('payments_analyst', 'm-2')",
        "select analyst.pseudonym('customer', '1')",
        "select live.ensure_partitions('payments', '{2026-03-01}')",
        "set role payments_owner",
        "set role payments_api",
        "set role postgres",
        "set session authorization postgres",
        "set session authorization payments_stream",
        "alter view analyst.payments set (security_barrier = off)",
        "alter function analyst.payments_of_hour(timestamptz) security invoker",
        "alter role payments_analyst bypassrls",
        "grant select on live.payments to payments_analyst",
        "select pg_read_file('/etc/passwd')",
        "copy (select 1) to program 'cat'",
        "select * from pg_statistic",
        "select lo_import('/etc/passwd')",
    ],
)
@pytest.mark.parametrize("role", ["analyst", "anna"])
def test_what_is_not_theirs_is_refused(
    role: str, statement: str, analyst: psycopg.Connection, anna: psycopg.Connection
) -> None:
    connection = {"analyst": analyst, "anna": anna}[role]
    connection.execute("set default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "create table analyst.mine (n int)",
        "create table public.mine (n int)",
        "create temporary table mine (n int)",
        "create schema mine",
        "create function analyst.leak(text) returns boolean language plpgsql cost 0.0000001 as"
        " $$ begin raise notice '%', $1; return true; end $$",
        "create function pg_temp.leak(text) returns boolean language sql as 'select true'",
        "create operator analyst.<<< (leftarg = text, rightarg = text, function = texteq)",
        "create extension dblink",
    ],
)
def test_nothing_of_their_own_can_be_put_beside_the_rows(analyst: psycopg.Connection, statement: str) -> None:
    analyst.execute("set default_transaction_read_only = off")
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)):
        analyst.execute(statement)


@pytest.mark.parametrize(
    "setting", ["row_security = off", "search_path = live, ops, public", "role = payments_analyst"]
)
def test_no_setting_shows_more(anna: psycopg.Connection, setting: str) -> None:
    before = events(anna)
    anna.execute(f"set {setting}")
    assert events(anna) == before


def test_an_error_in_a_condition_tells_of_own_rows_alone(analyst: psycopg.Connection) -> None:
    for column in ("event_id", "transaction_id", "merchant_id"):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation) as failure:
            analyst.execute(f"select 1 from analyst.payments where {column}::integer = 0")
        told = re.search('"(.*)"', str(failure.value))
        assert told
        assert told[1] in events(analyst, f"select {column} from analyst.payments")


def test_a_condition_is_never_tried_on_the_rows_of_others(analyst: psycopg.Connection) -> None:
    trap = "select count(*) from analyst.payments where 1 / (case when merchant_id = 'm-1' then 1 else 0 end) = 1"
    row = analyst.execute(trap).fetchone()
    assert row == (PURCHASES / 6,)


def plan(connection: psycopg.Connection, condition: str) -> str:
    query = f"explain (analyze, verbose, timing off, summary off, buffers off) {SEEN} where {condition}"
    return "\n".join(row[0] for row in connection.execute(query).fetchall())


def test_a_plan_tells_nothing_of_the_rows_of_others(analyst: psycopg.Connection) -> None:
    plans = {one: plan(analyst, f"merchant_id = '{one}'") for one in ("m-2", "m-3", "nobody")}
    masked = {text.replace(merchant, "?") for merchant, text in plans.items()}
    assert len(masked) == 1
    text = masked.pop()
    assert "Function Scan on analyst.payments_of_hour" in text
    assert "live.payments " not in text
    removed = sum(int(count) for count in re.findall(r"Rows Removed by Filter: (\d+)", text))
    assert removed <= PURCHASES / 6


@pytest.mark.parametrize(
    ("condition", "hours"),
    [
        ("true", 3),
        ("event_hour = '2026-03-01 01:00:00+00'", 1),
        ("event_hour >= '2026-03-01 03:00:00+00'::timestamptz - interval '2 hours'", 2),
        ("event_hour >= now() - interval '6 hours'", 0),
    ],
)
def test_only_the_hours_asked_for_are_read(analyst: psycopg.Connection, condition: str, hours: int) -> None:
    text = plan(analyst, condition)
    found = re.search(r"Function Scan on analyst.payments_of_hour.*(?:loops=(\d+)|never executed)", text)
    assert found, text
    assert int(found[1] or 0) == hours


def test_statistics_and_the_queries_of_others_are_hidden(site: Site, analyst: psycopg.Connection) -> None:
    assert analyst.execute("select count(*) from pg_stats where schemaname in ('live', 'ops', 'gold')").fetchone() == (
        0,
    )
    with site.connect("dbt") as other:
        other.execute("select 'm-2 is what I look at'")
        seen = analyst.execute("select query from pg_stat_activity where usename <> session_user").fetchall()
        assert not [query for (query,) in seen if query and "m-2" in query]


def test_those_who_write_and_build_are_untouched(site: Site) -> None:
    with site.connect("stream") as stream:
        stream.execute("create temporary table incoming (like live.payments)")
        with stream.cursor() as cursor, cursor.copy("copy incoming from stdin"):
            pass
        with stream.cursor() as cursor, cursor.copy("copy live.payments from stdin"):
            pass
        assert stream.execute("select count(*) from live.payments").fetchone() == (PURCHASES,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            stream.execute(SEEN)
    with site.connect("dbt") as dbt:
        assert dbt.execute("select count(*) from live.payments").fetchone() == (PURCHASES,)
    with site.connect("api") as api, pytest.raises(psycopg.errors.InsufficientPrivilege):
        api.execute(SEEN)


def test_every_column_of_the_view_is_explained(admin: psycopg.Connection) -> None:
    query = (
        "select attname from pg_attribute where attrelid = 'analyst.payments'::regclass and attnum > 0"
        " and col_description(attrelid, attnum) is null"
    )
    assert admin.execute(query).fetchall() == []
