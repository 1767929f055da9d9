"""What the gold benchmark puts into Postgres is what the stream would have left there."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from benchmarks.gold_rows import ONE_HOUR, Filled, empty, fill
from spark_jobs.stream.cubes import CUBES
from tests.integration.gold.conftest import Warehouse

PAYMENTS = 9_000
HOURS = 4
END = (datetime.now(UTC) - timedelta(days=20)).replace(hour=2, minute=0, second=0, microsecond=0)
"""Two of the hours are of the day before, which has a partition already; the day itself has none."""


@pytest.fixture(scope="module")
def filled(warehouse: Warehouse) -> Iterator[tuple[psycopg.Connection[Any], Filled]]:
    with closing(warehouse.connect("postgres")) as admin:
        warehouse.empty()
        for table in ("payments", "transactions"):
            admin.execute("select live.ensure_partitions(%s, array[%s::date])", [table, END.date() - timedelta(days=1)])
        yield admin, fill(admin, END, HOURS, PAYMENTS, lambda _: None)
        empty(admin)


def test_the_hours_hold_about_as_many_payments_as_asked_for_all_with_their_own_ids(
    filled: tuple[psycopg.Connection[Any], Filled],
) -> None:
    admin, added = filled
    found = admin.execute(
        "select count(*), count(distinct event_id), min(event_timestamp), max(event_timestamp), "
        "count(distinct length(event_id || transaction_id)), count(distinct (source_partition, source_offset)) "
        "from live.payments"
    ).fetchone()
    assert found is not None
    count, ids, first, last, lengths, places = found
    assert count == ids == places == added.payments == pytest.approx(PAYMENTS, rel=0.1)
    assert END - HOURS * ONE_HOUR <= first < END - 3.9 * ONE_HOUR
    assert END - 0.1 * ONE_HOUR < last < END
    assert lengths == 1


def test_a_copy_of_a_retry_belongs_to_the_copy_of_its_purchase(
    filled: tuple[psycopg.Connection[Any], Filled],
) -> None:
    admin, _ = filled
    # Soon after its purchase, so that this one is there too; and late enough for that not to be before the first hour.
    strays = admin.execute(
        "select count(*) filter (where first.event_id is null), count(*) from live.payments as retry "
        "left join live.payments as first on first.transaction_id = retry.transaction_id and first.attempt_number = 1 "
        "where retry.attempt_number = 2 and retry.minutes_since_decline < 50 and retry.event_timestamp > %s",
        [END - (HOURS - 1) * ONE_HOUR],
    ).fetchone()
    assert strays is not None
    assert strays[0] == 0
    assert strays[1] > 100
    linked = admin.execute(
        "select count(*) from live.transactions join live.payments using (transaction_id) "
        "where is_approved and is_fraud"
    ).fetchone()
    assert linked is not None
    assert linked[0] > 0


@pytest.mark.parametrize("cube", ["payment_minutes", "decline_minutes"])
def test_the_minutes_are_those_of_the_rows(filled: tuple[psycopg.Connection[Any], Filled], cube: str) -> None:
    admin, _ = filled
    reason = "coalesce(decline_reason, 'unstated')"
    recount = {
        "payment_minutes": "select date_trunc('minute', event_timestamp), currency, merchant_segment, count(*), "
        "sum(amount_minor), sum(fee_minor), sum(processing_latency_ms) from live.payments group by 1, 2, 3",
        "decline_minutes": f"select date_trunc('minute', event_timestamp), {reason}, currency, count(*), "
        "sum(amount_minor) from live.payments where not is_approved group by 1, 2, 3",
    }
    kept = {
        "payment_minutes": "select minute, currency, merchant_segment, attempts, amount_minor, fee_minor, latency_ms "
        "from live.payment_minutes",
        "decline_minutes": "select minute, decline_reason, currency, declines, amount_minor from live.decline_minutes",
    }
    rows = admin.execute(kept[cube]).fetchall()
    assert len(rows) > 100
    assert set(rows) == set(admin.execute(recount[cube]).fetchall())


def test_dbt_counts_the_rows_and_finds_the_hourly_cubes_right(
    filled: tuple[psycopg.Connection[Any], Filled], warehouse: Warehouse
) -> None:
    admin, added = filled
    warehouse.dbt("build", "--exclude-resource-type", "unit_test", "seed")
    for cube in CUBES:
        assert admin.execute(f"select 1 from live.{cube.name} limit 1").fetchone(), cube.name
    row = admin.execute("select sum(attempts), count(distinct hour) from gold.int_merchants__counted_hourly").fetchone()
    assert row == (added.payments, HOURS)


def test_a_day_that_was_filled_is_made_like_one_of_the_streams(
    filled: tuple[psycopg.Connection[Any], Filled],
) -> None:
    admin, _ = filled
    for table in ("payments", "transactions"):
        made = [_shape(admin, f"{table}_{END - days * 24 * ONE_HOUR:%Y%m%d}") for days in (0, 1)]
        assert made[0] == made[1]
        assert len(made[0]["indexes"]) >= 2


def test_hours_that_are_there_stay_as_they_are(filled: tuple[psycopg.Connection[Any], Filled]) -> None:
    admin, _ = filled
    assert fill(admin, END, HOURS, PAYMENTS, lambda _: None).payments == 0


def _shape(admin: psycopg.Connection[Any], name: str) -> dict[str, list[Any]]:
    day = name[-8:]
    questions = {
        "indexes": "select replace(indexdef, %(day)s, '') from pg_indexes where tablename = %(name)s",
        "constraints": "select contype, pg_get_constraintdef(oid) from pg_constraint "
        "where conrelid = ('live.' || %(name)s)::regclass",
        "columns": "select attname, atttypid, attnotnull, col_description(attrelid, attnum) from pg_attribute "
        "where attrelid = ('live.' || %(name)s)::regclass and attnum > 0",
        "owner": "select tableowner from pg_tables where tablename = %(name)s",
    }
    return {
        what: sorted(admin.execute(question, {"name": name, "day": day}).fetchall(), key=str)
        for what, question in questions.items()
    }
