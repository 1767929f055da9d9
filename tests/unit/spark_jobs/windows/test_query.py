"""The SQL of the windows gives the declared columns, places edges right and rounds as declared."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from domain.windows import Window, windows
from spark_jobs.windows.gold import schema
from spark_jobs.windows.query import window_query

ROOT = Path(__file__).parents[4]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INSTANT = pa.timestamp("us", "UTC")


def silver(*instants: datetime, amount: float = 1.0) -> pa.Table:
    count = len(instants)
    return pa.table(
        {
            "event_timestamp": pa.array(instants, INSTANT),
            "merchant": ["m"] * count,
            "payment_method": ["paypal", "crypto"] * (count // 2) + ["paypal"] * (count % 2),
            "country": pa.array([None] * count, pa.string()),
            "user_id": pa.array([1] * count, pa.int32()),
            "device_id": [f"d{n}" for n in range(count)],
            "amount": [amount] * count,
            "is_fraud": [False] * count,
        }
    )


def run(window: Window, rows: pa.Table) -> list[dict[str, object]]:
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        database.register("silver", rows)
        found: list[dict[str, object]] = (
            database.execute(window_query(window, "silver", "duckdb")).to_arrow_table().cast(schema(window)).to_pylist()
        )
        return sorted(found, key=lambda row: str(row["window_start"]))


@pytest.mark.parametrize("window", windows().values(), ids=lambda window: window.name)
def test_the_columns_are_those_declared(window: Window) -> None:
    (row, *_) = run(window, silver(NOON))
    assert list(row) == schema(window).names


def test_a_sliding_window_takes_its_first_instant_and_not_its_last() -> None:
    rows = run(windows()["merchants_15m"], silver(NOON))
    assert [row["window_start"] for row in rows] == [NOON - timedelta(minutes=minutes) for minutes in (10, 5, 0)]
    before = run(windows()["merchants_15m"], silver(NOON - timedelta(microseconds=1)))
    assert [row["window_start"] for row in before] == [NOON - timedelta(minutes=minutes) for minutes in (15, 10, 5)]


def test_an_instant_before_1970_has_windows_too() -> None:
    early = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    (row,) = run(windows()["platform_1h"], silver(early))
    assert row["window_start"] == datetime(1969, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(("amount", "cents"), [(0.004, 0), (0.005, 1), (0.125, 13), (12.34, 1234), (1e10, 10**12)])
def test_an_amount_is_rounded_half_up_before_it_is_added(amount: float, cents: int) -> None:
    (row,) = run(windows()["platform_1h"], silver(NOON, NOON, NOON, amount=amount))
    assert (row["revenue_cents"], row["revenue"], row["mean_amount"]) == (3 * cents, 3 * cents / 100, cents / 100)


def test_a_customer_with_many_devices_is_suspicious_for_that_reason() -> None:
    (row,) = run(windows()["users_1h"], silver(NOON, NOON, NOON))
    assert row["suspicious_reasons"] == ["several_devices"]
    assert row["is_suspicious"]
    assert row["payment_methods"] == ["crypto", "paypal"]
    (calm,) = run(windows()["users_1h"], silver(NOON))
    assert (calm["suspicious_reasons"], calm["is_suspicious"]) == ([], False)


@pytest.mark.parametrize("window", windows().values(), ids=lambda window: window.name)
def test_the_live_table_has_the_same_columns_with_the_same_meaning(window: Window) -> None:
    migration = (ROOT / "postgres" / "migrations" / "sql" / "0003_windows.sql").read_text()
    table = migration.split(f"create table live.{window.live} (")[1].split("\n)")[0]
    names = [line.split()[0] for line in table.strip().splitlines()]
    declared = [column.name for column in (*window.keys, *window.measures)]
    assert names == ["window_start", "window_end", *declared, "is_complete"]
    for column in (*window.keys, *window.measures):
        meaning = column.meaning.replace("'", "''")
        assert f"comment on column live.{window.live}.{column.name} is '{meaning}';" in migration


@pytest.mark.parametrize("window", windows().values(), ids=lambda window: window.name)
def test_every_table_and_column_is_documented(window: Window) -> None:
    text = (ROOT / "docs" / "windows.md").read_text()
    section = text.split(f"### `{window.delta}`")[1].split("\n### ")[0]
    for column in (*window.keys, *window.measures):
        assert f"| `{column.name}` |" in section
        assert column.meaning in section
