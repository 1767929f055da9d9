"""Scores and windows said once more, in SQL over the producer's ledger, and held against what the lake holds.

Nothing of the platform's own rules, windows or transforms is used here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import duckdb
import psycopg
from deltalake import DeltaTable

EXAMPLES = 3

PURCHASES = """
    create or replace table purchases as
    select event_id as transaction_id, event_time_ms::bigint as event_time_ms, user_id::int as user_id,
        amount::double as amount, is_fraud = 'true' as is_fraud, payment_method, device_id, merchant,
        nullif(trim(split_part(location, ',', 2)), '') as country,
        floor(amount::double * 100 + 0.5)::bigint as cents
    from (
        select * from read_csv(?, header = true, all_varchar = true, union_by_name = true, quote = '"', escape = '"')
        where topic = 'ecommerce.transactions' and expect <> 'dead_letter'
        qualify row_number() over (partition by event_id, event_time_ms) = 1
            and count(*) filter (kind = 'undelivered') over (partition by event_id, event_time_ms) = 0
    )
"""
"""Every good purchase of the ledger once, but for those that Kafka did not take."""

SCORES = """
    create or replace table expected_scores as
    with counted as (
        select *, make_timestamp(event_time_ms * 1000) as moment, count(*) over (
            partition by user_id order by event_time_ms range between 1799999 preceding and current row
        ) as velocity from purchases
    ),
    points as (
        select transaction_id, event_time_ms, velocity,
            if(is_fraud, 50, 0) + if(amount > 5000, 30, 0) + if(payment_method = 'crypto', 20, 0)
            + if(coalesce(country in ('Nigeria', 'NG', 'Ukraine', 'UA', 'Vietnam', 'VN'), false), 15, 0)
            + if(hour(moment) >= 23 or hour(moment) < 5, 10, 0) + if(isodow(moment) > 5, 5, 0)
            + if(velocity > 5, 25, 0) as score
        from counted
    )
    select *, case when score >= 75 then 'CRITICAL' when score >= 50 then 'HIGH' when score >= 25 then 'MEDIUM'
        when score >= 10 then 'LOW' else 'MINIMAL' end as level from points
"""

_MINUTE_MS = 60_000
_COMMON = (
    "count(*) as transactions, sum(cents)::bigint as cents, count(*) filter (is_fraud) as fraud_count, "
    "count(distinct device_id) as distinct_devices"
)
_USERS = "count(distinct user_id) as distinct_users"
_WINDOWS: Mapping[str, tuple[int, int, str, str, str]] = {
    "gold_transactions_10m": (10, 10, "merchant, payment_method, country", "revenue_cents", _USERS),
    "gold_merchants_15m": (15, 5, "merchant", "revenue_cents",
                           f"{_USERS}, count(distinct country) as distinct_countries"),
    "gold_users_1h": (60, 60, "user_id", "spend_cents", "count(distinct merchant) as distinct_merchants, "
                      "array_to_string(list_sort(list_distinct(list(payment_method))), ' ') as payment_methods"),
    "gold_countries_30m": (30, 30, "country", "revenue_cents", _USERS),
    "gold_platform_1h": (60, 60, "", "revenue_cents", f"{_USERS}, count(distinct merchant) as distinct_merchants"),
}  # fmt: skip
"""Per table: width and slide in minutes, keys, the name of the sum, and measures besides the common ones."""


def open_ledger(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database with the table `purchases` of all ledgers in the folder."""
    database = duckdb.connect(config={"memory_limit": "6GB", "temp_directory": str(folder / "oracle.tmp")})
    database.execute("set timezone = 'UTC'")
    database.execute(PURCHASES, [str(folder / "*.csv")])
    return database


def forget_what_never_arrived(database: duckdb.DuckDBPyConnection, lake: Path) -> None:
    """Leave out purchases that Silver does not hold: a producer that was killed may never have sent them."""
    columns = ["transaction_id", "event_timestamp"]
    database.register("arrived", DeltaTable(str(lake / "transactions_silver")).to_pyarrow_table(columns=columns))
    database.execute(
        "delete from purchases where (transaction_id, event_time_ms) not in "
        "(select (transaction_id, epoch_ms(event_timestamp)) from arrived)"
    )


def wrong_scores(database: duckdb.DuckDBPyConnection, lake: Path) -> str:
    """What is wrong with fraud_scores, in words; empty when every purchase has exactly the score it should have."""
    database.execute(SCORES)
    columns = ["transaction_id", "event_timestamp", "velocity_30m", "score", "risk_level"]
    database.register("scores", DeltaTable(str(lake / "fraud_scores")).to_pyarrow_table(columns=columns))
    return _said(
        database,
        "purchases (found, expected)",
        """
        select coalesce(e.transaction_id, s.transaction_id), (velocity_30m, s.score, risk_level),
            (velocity, e.score, level)
        from expected_scores e full join scores s
            on s.transaction_id = e.transaction_id and epoch_ms(s.event_timestamp) = e.event_time_ms
        where velocity_30m is distinct from velocity or s.score is distinct from e.score
            or risk_level is distinct from level
        """,
    )


def wrong_windows(
    database: duckdb.DuckDBPyConnection, stored: "Windows", ended_by_ms: int | None = None
) -> dict[str, str]:
    """Per windowed table that is not what its purchases give, what is wrong with it, in words.

    Only windows that end by `ended_by_ms`, milliseconds since 1970, are looked at; all of them when it is None.
    """
    found = {table: _wrong_window(database, stored, table, ended_by_ms) for table in _WINDOWS}
    return {table: wrong for table, wrong in found.items() if wrong}


class Windows(Protocol):
    """Where windowed tables are kept."""

    def read(self, database: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> None:
        """Make `stored` of these columns of a table, with its window as `start_ms` and `end_ms`."""


@dataclass(frozen=True)
class InLake:
    """The windows of the lake: those that are complete."""

    lake: Path

    def read(self, database: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> None:
        """See Windows."""
        rows = DeltaTable(str(self.lake / table)).to_pyarrow_table(columns=["window_start", "window_end", *columns])
        database.register("rows", rows)
        shown = ", ".join(f"{_as_text(one)} as {one}" for one in columns)
        database.execute(
            f"create or replace table stored as select epoch_ms(window_start) as start_ms, "
            f"epoch_ms(window_end) as end_ms, {shown} from rows"
        )


@dataclass(frozen=True)
class InPostgres:
    """The live part in Postgres: open windows too."""

    database_url: str

    def read(self, database: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> None:
        """See Windows."""
        shown = ", ".join(map(_as_text, columns))
        millis = [f"(extract(epoch from {one}) * 1000)::bigint" for one in ("window_start", "window_end")]
        query = f"select {', '.join(millis)}, {shown} from live.{table.removeprefix('gold_')}"
        with TemporaryDirectory() as folder, psycopg.connect(self.database_url) as connection:
            file = Path(folder, "rows.csv")
            with file.open("wb") as target, connection.cursor().copy(f"copy ({query}) to stdout (format csv)") as rows:
                target.writelines(rows)
            names = ["start_ms", "end_ms", *columns]
            types = {one: "bigint" if one.endswith("_ms") else _type(one) for one in names}
            database.execute(
                "create or replace table stored as "
                "select * from read_csv(?, header = false, columns = ?, quote = '\"')",
                [str(file), types],
            )


def _as_text(column: str) -> str:
    """A list as one text, anything else as it is; in SQL of DuckDB and of Postgres."""
    return "array_to_string(payment_methods, ' ')" if column == "payment_methods" else column


def _type(column: str) -> str:
    if column in ("merchant", "payment_method", "country", "payment_methods"):
        return "varchar"
    return "double" if column in ("fraud_rate", "mean_amount") else "bigint"


def _wrong_window(database: duckdb.DuckDBPyConnection, stored: Windows, table: str, ended_by_ms: int | None) -> str:
    width, slide, keys, total, measures = _WINDOWS[table]
    names = ["transactions", total, "fraud_count", "distinct_devices"]
    names += [part.split(" as ")[1].strip() for part in _parts(measures)]
    key = f"{keys}, " if keys else ""
    stored.read(database, table, [*filter(None, keys.split(", ")), *names, "fraud_rate", "mean_amount"])
    database.execute(
        f"""
        create or replace table expected_windows as
        select window_ms, {key} {_COMMON}, {measures} from (
            select *, (event_time_ms // {slide * _MINUTE_MS} - back) * {slide * _MINUTE_MS} as window_ms
            from purchases, range({width // slide}) as backs (back)
        ) group by window_ms {", " + keys if keys else ""}
        """
    )
    is_over = "true" if ended_by_ms is None else f"window_ms + {width * _MINUTE_MS} <= {ended_by_ms}"
    expected = ", ".join("cents" if name == total else name for name in names)
    found = f"select start_ms, {key} {', '.join(names)} from stored where {is_over.replace('window_ms', 'start_ms')}"
    right = f"select window_ms, {key} {expected} from expected_windows where {is_over}"
    wrong = _said(database, "windows that were not expected", f"{found} except all {right}")
    wrong += _said(database, "windows that are not there", f"{right} except all {found}")
    return wrong + _said(
        database,
        "windows with another width, mean or rate than they should have",
        f"""select start_ms, end_ms, mean_amount, fraud_rate from stored
        where end_ms - start_ms <> {width * _MINUTE_MS}
            or abs(mean_amount - {total} / 100.0 / transactions) > 1e-6 * mean_amount
            or abs(fraud_rate - fraud_count / transactions) > 1e-9""",
    )


def _parts(measures: str) -> list[str]:
    """The measures one by one; commas within brackets separate nothing."""
    parts, depth, begin = [], 0, 0
    for at, character in enumerate(measures):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(measures[begin:at])
            begin = at + 1
    return [*parts, measures[begin:]]


def _said(database: duckdb.DuckDBPyConnection, what: str, query: str) -> str:
    rows = database.execute(f"select *, count(*) over () from ({query}) limit {EXAMPLES}").fetchall()
    if not rows:
        return ""
    examples = "; ".join(", ".join(map(str, row[:-1])) for row in rows)
    return f"{rows[0][-1]:,} {what}, such as {examples}. "
