"""Stored against rebuilt rows of one day, in DuckDB: what differs, and what the day should hold instead."""

from pathlib import Path

import duckdb

from spark_jobs.reprocessing.boundary import Limits
from spark_jobs.reprocessing.outcome import Differences

MEMORY_LIMIT = "1GB"

Types = dict[str, str]
"""Columns of a relation, with DuckDB's names of their types."""


def open_database(folder: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills to the folder."""
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    # Files that delta-rs rewrote hold strings in a form (views) that pyarrow can read but not filter by.
    database.execute("set disabled_optimizers = 'join_filter_pushdown'")
    database.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    database.execute(f"set temp_directory = '{folder / 'spill'}'")
    return database


def set_limits(database: duckdb.DuckDBPyConnection, limits: Limits) -> None:
    """Fill the table `limits`: which offsets of each partition of the topic are rebuilt."""
    database.execute("create or replace table limits (partition integer primary key, first bigint, last bigint)")
    if limits:
        database.executemany("insert into limits values (?, ?, ?)", [(one, *span) for one, span in limits.items()])


def show_files(database: duckdb.DuckDBPyConnection, view: str, files: str, otherwise: Types) -> Types:
    """Show Parquet files as a view, and tell its columns; without any file it is empty and has the columns given."""
    found = database.execute("select count(*) from glob(?)", [files]).fetchone()
    if found and found[0]:
        source = f"select * from read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
    else:
        source = "select " + ", ".join(f'null::{kind} as "{name}"' for name, kind in otherwise.items()) + " where false"
    database.execute(f"create or replace view {view} as {source}")
    return types_of(database, view)


def types_of(database: duckdb.DuckDBPyConnection, relation: str) -> Types:
    """The columns of a relation."""
    return {str(row[0]): str(row[1]) for row in database.execute(f"describe select * from {relation}").fetchall()}


def chosen(wanted: Types, present: Types) -> str:
    """A select list of the wanted columns in their types; one that is not present is null."""
    return ", ".join(
        f'"{name}"::{kind} as "{name}"' if name in present else f'null::{kind} as "{name}"'
        for name, kind in wanted.items()
    )


def show_sides(database: duckdb.DuckDBPyConnection, wanted: Types, stored: Types, identity: list[str]) -> None:
    """Divide `stored` into `settled` rows and those `beyond` the limits, which are left alone.

    Both have the wanted columns, and so has `rebuilt`: the rows of `staged` that were not `superseded`
    and whose identity is not held by a row beyond.
    """
    limited = "from stored left join limits on limits.partition = stored.source_partition"
    within = "source_offset between first and last"
    columns = chosen(wanted, stored)
    database.execute(f"create or replace view settled as select {columns} {limited} where {within}")
    database.execute(f"create or replace view beyond as select {columns} {limited} where not coalesce({within}, false)")
    staged = chosen(wanted, types_of(database, "staged"))
    database.execute(
        f"create or replace view rebuilt as select {staged} from staged "
        "anti join superseded using (source_partition, source_offset) "
        f"anti join beyond using ({', '.join(identity)})"
    )


def differences(database: duckdb.DuckDBPyConnection, key: list[str], columns: Types) -> Differences:
    """How `settled` differs from `rebuilt`, row by row and column by column; a row stored twice counts as extra."""
    unequal = " or ".join(f'w."{name}" is distinct from s."{name}"' for name in columns if name not in key)
    joined = " and ".join(f'w."{name}" = s."{name}"' for name in key)
    found = database.execute(
        f"select count(*) filter (where s.{key[0]} is null), count(*) filter (where w.{key[0]} is null), "
        f"count(*) filter (where s.{key[0]} is not null and w.{key[0]} is not null and ({unequal})) "
        f"from rebuilt w full join settled s on {joined}"
    ).fetchone()
    twice = database.execute(f"select count(*) - count(distinct ({', '.join(key)})) from settled").fetchone()
    assert found is not None
    assert twice is not None
    return Differences(missing=found[0], extra=found[1] + twice[0], changed=found[2])


def count(database: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Rows of a relation."""
    row = database.execute(f"select count(*) from {relation}").fetchone()
    return int(row[0]) if row else 0
