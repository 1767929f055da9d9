"""Whole columns to Postgres and back, as text that Arrow writes and reads: no Python per value, few messages."""

from collections.abc import Mapping
from io import BytesIO

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from psycopg import sql

Cursor = psycopg.Cursor[tuple[object, ...]]

_SLICE_ROWS = 4096


def ask(
    cursor: Cursor, statement: str, types: Mapping[str, str], rows: pa.Table, answer: Mapping[str, pa.DataType]
) -> pa.Table:
    """Run a statement with the rows as parameters, an array a column, and give its answer as columns.

    In the statement `{staged}` stands for the rows, whose columns have these types. Its only value is made by `lines`.
    """
    arrays = ", ".join(f"%s::{name}[]" for name in types.values())
    text = statement.format(staged=f"unnest({arrays}) as staged ({', '.join(types)})")
    found = cursor.execute(text, [literal(rows.column(name)) for name in types], prepare=False).fetchone()
    return _parsed(BytesIO(str(found[0]).encode()) if found and found[0] else BytesIO(), answer)


def lines(*columns: str) -> str:
    """A select list that makes one text of all rows: one value instead of a message per row. No column may be null."""
    return f"string_agg(concat_ws(',', {', '.join(columns)}), E'\\n')"


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
    text.seek(0)
    return _parsed(text, columns)


def _parsed(text: BytesIO, columns: Mapping[str, pa.DataType]) -> pa.Table:
    if text.getbuffer().nbytes == 0:
        return pa.schema(list(columns.items())).empty_table()
    return pyarrow.csv.read_csv(
        text,
        read_options=pyarrow.csv.ReadOptions(column_names=list(columns)),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict(columns)),
    )


def literal(column: pa.ChunkedArray) -> str:
    """The column, which has no nulls, as Postgres writes an array; texts, and instants too, stand in quotes."""
    values = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    texts = values.combine_chunks().cast(pa.string())
    if not pa.types.is_integer(values.type):
        for special in ("\\", '"'):
            texts = pc.replace_substring(texts, special, "\\" + special)
        texts = pc.binary_join_element_wise('"', texts, '"', "")
    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return "{" + str(pc.binary_join(whole, ",")[0].as_py()) + "}"
