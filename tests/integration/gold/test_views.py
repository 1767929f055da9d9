"""The merged views equal an independent count at every moment of the batch layer's life."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.integration.gold import expected
from tests.integration.gold.conftest import Warehouse
from tests.integration.gold.speed_layer import Attempt, moved, random_attempts, random_instants, write_batch

BATCH_LAYER = ("build", "--select", "tag:batch_layer")
WINDOWS = {"last_hour": 1, "last_24_hours": 24, "last_7_days": 168}


def rows(warehouse: Warehouse, query: LiteralString) -> list[dict[str, Any]]:
    with warehouse.connect("api") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def assert_views_equal(warehouse: Warehouse, attempts: Sequence[Attempt]) -> None:
    windows: dict[str, datetime | None] = {}
    for row in rows(warehouse, "select * from gold.v_executive_kpis"):
        since = windows[row["kpi_window"]] = row["window_start"]
        figures = expected.kpis(attempts, since)
        assert {name: row[name] for name in figures} == figures, row["kpi_window"]
    assert windows.keys() == {*WINDOWS, "all_time"}
    _assert_declines_equal(warehouse, attempts, windows)
    seen = {
        (row["hour"], row["merchant_segment"], row["currency"]): row
        for row in rows(warehouse, "select * from gold.v_approval_trends_hourly")
    }
    figures_by_key = expected.trends(attempts)
    assert seen.keys() == figures_by_key.keys()
    for key, figures in figures_by_key.items():
        assert {name: seen[key][name] for name in figures} == figures, key


def _assert_declines_equal(
    warehouse: Warehouse, attempts: Sequence[Attempt], windows: dict[str, datetime | None]
) -> None:
    seen = rows(warehouse, "select * from gold.v_top_decline_reasons")
    for window, since in windows.items():
        figures = expected.declines(attempts, since)
        reported = {row["decline_reason"]: row for row in seen if row["kpi_window"] == window}
        assert reported.keys() == figures.keys()
        for reason, figure in figures.items():
            assert {name: reported[reason][name] for name in figure} == figure, (window, reason)


def near_edges(now: datetime) -> list[datetime]:
    """Instants just inside and outside each window, and on the edges of an hour."""
    minute = now.replace(second=0, microsecond=0)
    starts = [minute - timedelta(hours=hours) for hours in WINDOWS.values()]
    hour = minute.replace(minute=0) - timedelta(hours=3)
    edges = [*starts, *(start.replace(minute=0) + timedelta(hours=1) for start in starts), hour]
    nudges = [timedelta(minutes=-3), timedelta(microseconds=-1), timedelta(0), timedelta(minutes=3)]
    return [edge + nudge for edge in edges for nudge in nudges]


def history(seed: int) -> list[Attempt]:
    now = datetime.now(UTC)
    instants = random_instants(seed, 1500, now - timedelta(days=9), now)
    return random_attempts(
        seed, [*instants, *random_instants(seed, 300, now - timedelta(hours=2), now), *near_edges(now), now]
    )


def steady() -> None:
    """Keep clear of the end of a minute, when a window would move between two queries."""
    seconds = 60 - datetime.now(UTC).second
    if seconds < 6:
        time.sleep(seconds)


def test_views_are_exact_before_dbt_after_it_after_a_late_row_and_after_dbt_again(empty_warehouse: Warehouse) -> None:
    warehouse, attempts = empty_warehouse, history(seed=1)
    with warehouse.connect("stream") as stream:
        write_batch(stream, 1, attempts)
        steady()
        assert_views_equal(warehouse, attempts)
        assert trusted_hours(warehouse) == 0

        warehouse.dbt(*BATCH_LAYER)
        steady()
        assert_views_equal(warehouse, attempts)
        newest = max(one.at for one in attempts)
        hours = {one.hour for one in attempts}
        assert trusted_hours(warehouse) == len(
            [hour for hour in hours if hour < newest.replace(minute=0, second=0, microsecond=0)]
        )

        late = moved(attempts[0], "late", newest - timedelta(hours=30))
        attempts.append(late)
        write_batch(stream, 2, [late])
        steady()
        assert_views_equal(warehouse, attempts)
        assert {row["batch_layer_through"] for row in rows(warehouse, "select * from gold.v_executive_kpis")} == {
            max(hour for hour in hours if hour < late.hour) + timedelta(hours=1)
        }

        warehouse.dbt(*BATCH_LAYER)
        steady()
        assert_views_equal(warehouse, attempts)


def trusted_hours(warehouse: Warehouse) -> int:
    return len(rows(warehouse, "select distinct hour from gold.v_approval_trends_hourly where is_from_batch"))


def test_trusted_hours_are_read_from_the_batch_layer(empty_warehouse: Warehouse) -> None:
    """Sabotage one layer at a time: a figure that did not change was not read from there."""
    warehouse, attempts = empty_warehouse, history(seed=2)
    over = min(one.hour for one in attempts if one.at > datetime.now(UTC) - timedelta(days=3))
    with warehouse.connect("stream") as stream, warehouse.connect("postgres") as admin:
        write_batch(stream, 1, attempts)
        warehouse.dbt("run", "--select", "tag:batch_layer")
        stream.execute(
            "update live.payment_minutes set attempts = attempts + 1000 where date_trunc('hour', minute) = %s", [over]
        )
        steady()
        assert_views_equal(warehouse, attempts)
        admin.execute(
            "update gold.int_payments__totalled_hourly set attempts = attempts + 1000 where hour = %s", [over]
        )
        with pytest.raises(AssertionError):
            assert_views_equal(warehouse, attempts)


def test_dbt_counts_again_exactly_the_hours_that_changed(empty_warehouse: Warehouse) -> None:
    warehouse, attempts = empty_warehouse, history(seed=3)
    with warehouse.connect("stream") as stream, warehouse.connect("dbt") as dbt:
        write_batch(stream, 1, attempts)
        warehouse.dbt("run", "--select", "tag:batch_layer")
        before: dict[datetime, str] = dict(
            dbt.execute("select hour, xmin::text from gold.int_payments__totalled_hourly").fetchall()
        )
        changed = sorted(before)[5]
        write_batch(stream, 2, [moved(attempts[0], "late", changed + timedelta(minutes=59))])
        warehouse.dbt("run", "--select", "tag:batch_layer")
        after: dict[datetime, str] = dict(
            dbt.execute("select hour, xmin::text from gold.int_payments__totalled_hourly").fetchall()
        )
    assert {hour for hour in after if after[hour] != before.get(hour)} == {changed}


def counted_in(connection: psycopg.Connection) -> dict[datetime, str]:
    """By hour the transaction that counted it last."""
    return dict(connection.execute("select hour, xmin::text from gold.int_payments__totalled_hourly").fetchall())


def test_an_empty_platform_still_has_four_windows(empty_warehouse: Warehouse) -> None:
    assert_views_equal(empty_warehouse, [])


def test_windows_trail_from_now_cut_to_the_minute(empty_warehouse: Warehouse) -> None:
    steady()
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    starts = {
        row["kpi_window"]: row["window_start"] for row in rows(empty_warehouse, "select * from gold.v_executive_kpis")
    }
    assert starts == {**{name: minute - timedelta(hours=hours) for name, hours in WINDOWS.items()}, "all_time": None}


def test_readers_see_no_error_and_no_wrong_number_while_dbt_rebuilds_everything(empty_warehouse: Warehouse) -> None:
    warehouse, attempts = empty_warehouse, history(seed=4)
    query = "select attempts, approved, amount_usd from gold.v_executive_kpis where kpi_window = 'all_time'"
    also = [
        "select sum(attempts), sum(approved), sum(amount_usd) from gold.v_approval_trends_hourly",
        "select sum(declines) from gold.v_top_decline_reasons where kpi_window = 'all_time'",
        "select count(*) from gold.fct_payments",
        "select sum(attempts), sum(fee_usd) from gold.v_solution_performance",
        "select sum(retries) from gold.v_retry_performance",
        "select sum(attempts), sum(amount_usd), sum(recoverable_amount_usd) from gold.v_financial_summary",
        "select hour, processor, latency_p95_ms from gold.v_system_performance order by 1, 2",
    ]
    with warehouse.connect("stream") as stream, warehouse.connect("api") as reader:
        write_batch(stream, 1, attempts)
        truth = [reader.execute(one).fetchone() for one in (query, *also)]
        running, reads = warehouse.start_dbt("build", "--full-refresh"), 0
        while running.poll() is None:
            assert [reader.execute(one).fetchone() for one in (query, *also)] == truth
            reads += 1
        output, _ = running.communicate()
        assert running.returncode == 0, output[-4000:]
        assert [reader.execute(one).fetchone() for one in (query, *also)] == truth
    assert reads > 20
