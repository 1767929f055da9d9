"""Whole columns to Postgres and back: COPY in, one statement, COPY out, as CSV that Arrow writes and reads."""

from collections.abc import Mapping
from io import BytesIO

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

Cursor = psycopg.Cursor[tuple[object, ...]]

_SLICE_ROWS = 4096


def stage(cursor: Cursor, name: str, columns: Mapping[str, str], rows: pa.Table) -> None:
    """Fill a temporary table of the transaction, whose columns have these types, with the rows."""
    declared = sql.SQL(", ").join(sql.Identifier(key) + sql.SQL(" " + value) for key, value in columns.items())
    cursor.execute(
        sql.SQL("create temporary table if not exists {} ({}) on commit delete rows").format(
            sql.Identifier(name), declared
        )
    )
    copy_in(cursor, sql.Identifier(name), rows.select(list(columns)))


def copy_in(cursor: Cursor, target: sql.Identifier, rows: pa.Table) -> None:
    """Append the rows to a table, in slices: while the server stores one, the next is rendered."""
    if rows.num_rows == 0:
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    with cursor.copy(sql.SQL("copy {} ({}) from stdin (format csv)").format(target, columns)) as copy:
        for piece in rows.to_batches(max_chunksize=_SLICE_ROWS):
            text = BytesIO()
            pyarrow.csv.write_csv(piece, text, pyarrow.csv.WriteOptions(include_header=False))
            copy.write(text.getbuffer())


def copy_out(cursor: Cursor, query: str, columns: Mapping[str, pa.DataType]) -> pa.Table:
    """The rows of a query, which may also be one that writes and returns, as columns of these types."""
    text = BytesIO()
    with cursor.copy(sql.SQL("copy ({}) to stdout (format csv)").format(sql.SQL(query))) as copy:
        for piece in copy:
            text.write(piece)
    if text.tell() == 0:
        return pa.schema(list(columns.items())).empty_table()
    text.seek(0)
    return pyarrow.csv.read_csv(
        text,
        read_options=pyarrow.csv.ReadOptions(column_names=list(columns)),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict(columns)),
    )
