"""Every hourly view equals the oracle at each moment of the batch layer's life."""

from datetime import UTC, datetime, timedelta

import duckdb
import psycopg
import pytest

from local.repository import ROOT
from spark_jobs.stream.cubes import CUBES
from tests.e2e import gold_oracle
from tests.integration.gold import simulated
from tests.integration.gold.conftest import Warehouse
from tests.integration.gold.simulated import Row

MIGRATIONS = ROOT / "postgres" / "migrations" / "sql"
COUNT = ("run", "--select", "tag:batch_layer")
UNIT_TESTS = "test_type:unit"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

ON_EDGES: list[Row] = [
    {"amount_minor": 10**12, "amount_usd_minor": 127 * 10**10, "fee_minor": 10**9},
    {"attempt_number": 2, "previous_decline_reason": "do_not_honor", "minutes_since_decline": 60.0},
    {"attempt_number": 2, "previous_decline_reason": "do_not_honor", "minutes_since_decline": 5.0},
    {"is_approved": True, "decline_reason": "fraud_suspected", "risk_tier": "LOW", "is_late": True},
]
"""Where one branch of the cubes' arithmetic takes over from another, and an approval with a reason to decline."""


class Story:
    """What was written so far, and what the views should make of it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._database = duckdb.connect()
        self.payments: list[Row] = []
        self.checkouts: list[Row] = []

    def write(self, payments: list[Row], checkouts: list[Row]) -> None:
        self.payments += payments
        self.checkouts += checkouts
        with self._warehouse.connect("stream") as stream:
            simulated.write(stream, payments, checkouts)

    def wrong(self) -> dict[str, str]:
        simulated.register(self._database, self.payments, self.checkouts)
        gold_oracle.prepare(self._database)
        with self._warehouse.connect("api") as reader:
            return gold_oracle.wrong_views(self._database, reader)

    def hours(self, view: str, condition: str) -> set[datetime]:
        with self._warehouse.connect("api") as reader:
            rows = reader.execute(f"select distinct hour from gold.{view} where {condition}".encode()).fetchall()
        return {row[0] for row in rows}


@pytest.fixture
def story(empty_warehouse: Warehouse) -> Story:
    return Story(empty_warehouse)


def test_hourly_views_are_exact_before_during_and_long_after_dbt(story: Story, warehouse: Warehouse) -> None:
    first = datetime.now(UTC).replace(minute=20, second=0, microsecond=0) - 30 * HOUR
    payments, checkouts = simulated.events(1, 1200, first, rate=0.15)
    late = [row for row in checkouts if row["is_fraud"]][::3]
    story.write([*payments, *simulated.strange(payments)], [row for row in checkouts if row not in late])
    assert story.wrong() == {}
    assert story.hours("v_financial_summary", "is_from_batch or chargebacks is not null") == set()

    warehouse.dbt(*COUNT)
    newest = hour_of(max(row["event_timestamp"] for row in story.payments))
    counted = {hour for hour in story.hours("v_financial_summary", "true") if hour < newest}
    assert len(counted) >= 2
    assert story.wrong() == {}
    for view in gold_oracle.VIEWS:
        assert counted <= story.hours(view, "is_from_batch"), view
    assert story.hours("v_financial_summary", "chargebacks is not null") == counted
    assert story.hours("v_financial_summary", "chargebacks > 0")

    # A day in which dbt does not run; then rows for an hour that it had counted, and checkouts found to be frauds.
    later, bought = simulated.events(2, 300, first + 25 * HOUR, rate=0.1)
    story.write(later, bought)
    story.write([], late)
    assert not story.hours("v_financial_summary", "chargebacks is not null") & {
        hour_of(row["event_timestamp"]) for row in late
    }
    afterwards, then_bought = simulated.events(3, 50, first + 5 * MINUTE, rate=0.1)
    story.write(afterwards, then_bought)
    assert story.wrong() == {}
    touched = {hour_of(row["event_timestamp"]) for row in [*later, *afterwards]}
    assert touched & counted
    assert not touched & story.hours("v_solution_performance", "is_from_batch")

    warehouse.dbt(*COUNT)
    assert story.wrong() == {}
    assert counted <= story.hours("v_financial_summary", "chargebacks is not null")

    _assert_hours_without_their_detail_are_never_counted_again(story, warehouse, hour_of(first))
    warehouse.dbt("test", "--select", "tag:batch_layer", "tag:views", "test_type:singular", "--exclude", UNIT_TESTS)


def _assert_hours_without_their_detail_are_never_counted_again(
    story: Story, warehouse: Warehouse, first: datetime
) -> None:
    """A row that comes when the detail of its hour is gone raises the version; the stream's cube stays right."""
    with warehouse.connect("postgres") as admin:
        admin.execute("update live.detail_extent set complete_from = %s", [first + HOUR])
        admin.execute("delete from live.payments where event_timestamp < %s", [first + HOUR])
        try:
            inside, outside = ({**story.payments[0], "event_id": name} for name in ("inside", "outside"))
            inside["event_timestamp"] = first + HOUR
            story.write([inside, outside], [])
            warehouse.dbt(*COUNT)
            assert story.wrong() == {}
            assert first not in story.hours("v_solution_performance", "is_from_batch")
            assert first + HOUR in story.hours("v_solution_performance", "is_from_batch")
        finally:
            admin.execute("update live.detail_extent set complete_from = '-infinity'")


def hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def test_the_migration_fills_the_cubes_as_the_stream_would_have(story: Story, warehouse: Warehouse) -> None:
    payments, checkouts = simulated.events(8, 200, datetime.now(UTC) - 3 * HOUR, rate=0.05)
    story.write([*payments, *simulated.strange(payments, [*simulated.STRANGE, *ON_EDGES])], checkouts)
    cubes = [f"live.{cube.name}" for cube in CUBES if cube.time == "hour"]
    with warehouse.connect("postgres") as admin:
        kept = {name: rows_of(admin, name) for name in cubes}
        assert all(kept.values())
        admin.execute(f"truncate {', '.join(cubes)}".encode())
        with admin.transaction():
            admin.execute((MIGRATIONS / "0008_fill_cubes.sql").read_bytes())
        assert {name: rows_of(admin, name) for name in cubes} == kept


def rows_of(connection: psycopg.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"select * from {table} one order by one::text".encode()).fetchall()


def test_alerts_tell_what_is_out_of_bounds_now(empty_warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    payments, checkouts = simulated.events(7, 20, now - timedelta(minutes=20), rate=1)
    declined: Row = {"is_approved": False, "decline_reason": "do_not_honor"}
    with empty_warehouse.connect("postgres") as admin, empty_warehouse.connect("stream") as stream:
        simulated.write(stream, [{**row, **declined} for row in payments], checkouts)
        admin.execute(
            "insert into ops.batches "
            "(query, batch_id, records, payments, transactions, duplicates, dead_letters, late, offsets) "
            "values ('alerts', 1, 100, 90, 0, 0, 10, 0, '{}')"
        )
        admin.execute(
            "insert into ops.anomalies (metric, dimension, value, started_at, detected_at, detected_minute, severity, "
            "expected, observed, attempts, reason, evidence) "
            "values ('latency', 'processor', 'ProcessorB', now(), now(), now(), 'warning', 100, 300, 50, 'Slow', '{}')"
        )
        admin.execute(
            "insert into ops.drift (model, version, kind, feature, started_at, ended_at, value, rows, reason) values "
            "('risk_scoring_model', 3, 'data', 'fraud_score', now(), null, 0.4, 900, 'Moved'), "
            "('over', 3, 'data', 'fraud_score', now(), now(), 0.4, 900, 'Moved')"
        )
        try:
            assert _alerts(empty_warehouse) == {
                ("anomaly", "warning", "ProcessorB"),
                ("drift", "warning", "risk_scoring_model"),
                ("approval_rate", "critical", "all"),
                ("dead_letters", "warning", "all"),
            }
            admin.execute("update live.progress set committed_at = now() - interval '1 hour'")
            assert ("freshness", "critical", "all") in _alerts(empty_warehouse)
        finally:
            admin.execute("delete from ops.anomalies")
            admin.execute("delete from ops.drift")
            admin.execute("delete from ops.batches where query = 'alerts'")


def _alerts(warehouse: Warehouse) -> set[tuple[str, str, str]]:
    with warehouse.connect("api") as reader:
        return set(reader.execute("select kind, severity, value from gold.v_active_alerts").fetchall())


def test_a_recommendation_nobody_decided_on_in_time_is_expired(empty_warehouse: Warehouse) -> None:
    insert = (
        "insert into ops.agent_recommendations "
        "(agent, type, scope, title, rationale, logical_date, expires_at, evidence) "
        "values ('router', 'routing', %s, 't', 'r', now(), now() + %s, '[]')"
    )
    with empty_warehouse.connect("stream") as stream, empty_warehouse.connect("api") as reader:
        stream.execute(insert, ["past", -HOUR])
        stream.execute(insert, ["future", HOUR])
        try:
            found = reader.execute("select scope, status from gold.v_agent_recommendations").fetchall()
        finally:
            stream.execute("delete from ops.agent_recommendations")
    assert set(found) == {("past", "expired"), ("future", "open")}


def test_a_repeated_run_of_an_agent_makes_no_second_recommendation(empty_warehouse: Warehouse) -> None:
    insert = (
        "insert into ops.agent_recommendations (agent, type, scope, title, rationale, logical_date, evidence) "
        "values ('router', 'routing', 'all', 't', 'r', '2026-03-01 10:00+00', '[]')"
    )
    with empty_warehouse.connect("stream") as stream:
        stream.execute(insert)
        with pytest.raises(psycopg.errors.UniqueViolation):
            stream.execute(insert)
        stream.execute("delete from ops.agent_recommendations")
