"""Alerts begin and become critical where the dbt project says, and look at the last hour alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.integration.gold.conftest import Warehouse

_BATCH = (
    "insert into ops.batches "
    "(query, batch_id, committed_at, records, payments, transactions, duplicates, dead_letters, late, offsets) "
    "values ('alerts', %s, %s, %s, 0, 0, 0, %s, 0, '{}')"
)
_MINUTE = "insert into live.payment_minutes values (%s, 'EUR', %s, 1000, %s, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"


@pytest.fixture
def admin(empty_warehouse: Warehouse) -> Iterator[psycopg.Connection[Any]]:
    with empty_warehouse.connect("postgres") as connection:
        connection.execute("delete from ops.batches")
        yield connection
        connection.execute("delete from ops.batches")


def alerts(warehouse: Warehouse, kind: str) -> list[tuple[Any, ...]]:
    """Severity, observed and expected figure, and since when, of the alerts of a kind."""
    with warehouse.connect("api") as reader:
        return reader.execute(
            "select severity, observed, expected, started_at from gold.v_active_alerts where kind = %s", [kind]
        ).fetchall()


@pytest.mark.parametrize(
    ("refused", "severity"), [(0, None), (10, None), (11, "warning"), (100, "warning"), (101, "critical")]
)
def test_refused_messages(
    empty_warehouse: Warehouse, admin: psycopg.Connection[Any], refused: int, severity: str | None
) -> None:
    now = datetime.now(UTC)
    long_ago, idle, bad, worse = (now - timedelta(minutes=minutes) for minutes in (61, 40, 20, 10))
    batches = [(long_ago, 1000, 900), (idle, 0, 0), (bad, 500, refused), (worse, 1500, refused)]
    for number, batch in enumerate(batches):
        admin.execute(_BATCH, [number, *batch])
    expected = [] if severity is None else [(severity, refused / 1000, 0.01, bad)]
    assert alerts(empty_warehouse, "dead_letters") == expected


@pytest.mark.parametrize(
    ("approved", "severity"), [(1000, None), (850, None), (849, "warning"), (700, "warning"), (699, "critical")]
)
def test_approvals(
    empty_warehouse: Warehouse, admin: psycopg.Connection[Any], approved: int, severity: str | None
) -> None:
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    long_ago, first, second = (minute - timedelta(minutes=minutes) for minutes in (62, 30, 10))
    for at, segment, count in ((long_ago, "Travel", 0), (first, "Travel", 2 * approved - 900), (second, "Retail", 900)):
        admin.execute(_MINUTE, [at, segment, count])
    expected = [] if severity is None else [(severity, approved / 1000, 0.85, first)]
    assert alerts(empty_warehouse, "approval_rate") == expected


@pytest.mark.parametrize(
    ("seconds", "severity"), [(0, None), (55, None), (65, "warning"), (590, "warning"), (610, "critical")]
)
def test_freshness(
    empty_warehouse: Warehouse, admin: psycopg.Connection[Any], seconds: int, severity: str | None
) -> None:
    newest = datetime.now(UTC) - timedelta(seconds=seconds)
    for query, at in (("money", newest), ("messages", newest - timedelta(days=1))):
        admin.execute("insert into live.progress values (%s, 1, %s, %s)", [query, at, at])
    found = alerts(empty_warehouse, "freshness")
    assert [(level, since) for level, _, _, since in found] == ([] if severity is None else [(severity, newest)])
    assert all(seconds <= observed < seconds + 10 for _, observed, _, _ in found)


def test_nothing_at_all_raises_nothing(empty_warehouse: Warehouse, admin: psycopg.Connection[Any]) -> None:
    assert [alerts(empty_warehouse, kind) for kind in ("approval_rate", "freshness", "dead_letters")] == [[], [], []]
