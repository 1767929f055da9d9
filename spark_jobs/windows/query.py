"""The windowed tables as SQL, in the dialects of those who compute them: DuckDB live, Spark when reprocessing."""

from dataclasses import dataclass
from typing import Literal

from domain.windows import Column, Window, suspicion

DAY_US = 86_400_000_000

MEASURES = {
    "transactions": "count(*)",
    "revenue_cents": "cast(sum(cents) as bigint)",
    "revenue": "sum(cents) / cast(100 as double)",
    "spend_cents": "cast(sum(cents) as bigint)",
    "spend": "sum(cents) / cast(100 as double)",
    "mean_amount": "sum(cents) / cast(100 * count(*) as double)",
    "fraud_count": "count(case when is_fraud then 1 end)",
    "fraud_rate": "count(case when is_fraud then 1 end) / cast(count(*) as double)",
    "distinct_users": "count(distinct user_id)",
    "distinct_devices": "count(distinct device_id)",
    "distinct_merchants": "count(distinct merchant)",
    "distinct_countries": "count(distinct country)",
    "distinct_payment_methods": "count(distinct payment_method)",
}
"""What is plain SQL over the purchases of one window and key."""

Engine = Literal["duckdb", "spark"]


@dataclass(frozen=True)
class Dialect:
    """Where the engines differ. Each is a pattern around an expression."""

    micros: str
    """An instant as microseconds since the epoch."""
    instant: str
    """And back."""
    day: str
    """The UTC date of microseconds since the epoch."""
    sorted_set: str
    """The different values of a group in binary order, without nulls."""
    without_nulls: str
    """A list of the given items that are not null."""


DIALECTS: dict[Engine, Dialect] = {
    "duckdb": Dialect(
        micros="epoch_us({})",
        instant="make_timestamptz({})",
        day="cast(make_timestamp({}) as date)",
        sorted_set="coalesce(list_sort(list(distinct {0}) filter ({0} is not null)), cast([] as varchar[]))",
        without_nulls="list_filter([{}], lambda item: item is not null)",
    ),
    "spark": Dialect(
        micros="unix_micros({})",
        instant="timestamp_micros({})",
        day=f"date_from_unix_date(cast(floor({{}} / {DAY_US}) as int))",
        sorted_set="sort_array(collect_set({0}))",
        without_nulls="filter(array({}), item -> item is not null)",
    ),
}


def purchases(silver: str, engine: Engine) -> str:
    """A query that takes from a relation with Silver's columns what the windows need.

    `cents` is the amount rounded half up to hundredths of the shop's currency.
    """
    return (
        f"select {DIALECTS[engine].micros.format('event_timestamp')} as event_us, merchant, payment_method, country, "
        "user_id, device_id, cast(floor(amount * 100 + 0.5) as bigint) as cents, is_fraud "
        f"from {silver}"
    )


def placed(window: Window, source: str) -> str:
    """A query that gives each purchase once for every window it is in, with the window's `start_us`."""
    opened = f"event_us - ((event_us % {window.slide_us}) + {window.slide_us}) % {window.slide_us}"
    backs = ", ".join(f"({back * window.slide_us})" for back in range(window.overlap))
    return (
        f"select {opened} - back_us as start_us, source.* "
        f"from ({source}) as source cross join (values {backs}) as backs (back_us)"
    )


def aggregated(window: Window, placed_rows: str, engine: Engine) -> str:
    """A query that makes the table's rows from purchases that have their window's `start_us`."""
    dialect = DIALECTS[engine]
    keys = [column.name for column in window.keys]
    plain = [column.name for column in window.measures if column.name in MEASURES]
    sets = [column.name for column in window.measures if column.name == "payment_methods"]
    measures = [f"{MEASURES[name]} as {name}" for name in plain]
    measures += [f"{dialect.sorted_set.format('payment_method')} as {name}" for name in sets]
    grouped = f"select {', '.join(['start_us', *keys, *measures])} from ({placed_rows}) as placed"
    grouped += f" group by {', '.join(['start_us', *keys])}"
    chosen = [
        f"{dialect.day.format('start_us')} as date",
        f"{dialect.instant.format('start_us')} as window_start",
        f"{dialect.instant.format(f'start_us + {window.width_us}')} as window_end",
        *keys,
        *(_outer(column, dialect) for column in window.measures),
    ]
    return f"select {', '.join(chosen)} from ({grouped}) as grouped"


def window_query(window: Window, source: str, engine: Engine) -> str:
    """The rows of a windowed table over a relation with Silver's columns; name a table, or a query in brackets.

    The relation must hold every purchase of the windows that are to be right. Columns: `date`, `window_start`,
    `window_end`, the keys, the measures.
    """
    return aggregated(window, placed(window, purchases(source, engine)), engine)


def _outer(column: Column, dialect: Dialect) -> str:
    if column.name == "suspicious_reasons":
        return f"{_reasons(dialect)} as suspicious_reasons"
    if column.name == "is_suspicious":
        return f"{' or '.join(f'{one.column} >= {one.at_least}' for one in suspicion())} as is_suspicious"
    return column.name


def _reasons(dialect: Dialect) -> str:
    cases = [f"case when {one.column} >= {one.at_least} then '{one.name}' end" for one in suspicion()]
    return dialect.without_nulls.format(", ".join(cases))
