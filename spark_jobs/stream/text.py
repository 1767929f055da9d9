"""Which rows hold text that Postgres cannot store: a NUL character, or bytes that are not UTF-8.

Done on Arrow columns in the driver, where a whole column is searched at once; as Spark expressions the same search,
byte by byte, stood at the top of the executor's profile.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]


def unstorable(rows: pa.Table) -> Mask:
    """Marks the rows with such a text in any column."""
    marks = np.zeros(rows.num_rows, dtype=np.bool_)
    for field in rows.schema:
        if pa.types.is_string(field.type):
            column = rows.column(field.name).combine_chunks()
            if _may_be_unstorable(column):
                marks |= np.array([_is_unstorable(value) for value in column.cast(pa.binary()).to_pylist()], np.bool_)
    return marks


def _may_be_unstorable(column: pa.StringArray) -> bool:
    """A quick look at the column as one piece of text; errs only on the side of caution."""
    content = column.buffers()[2]
    if content is not None and not np.frombuffer(content, dtype=np.uint8).all():
        return True
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


def _is_unstorable(value: bytes | None) -> bool:
    if value is None:
        return False
    try:
        return "\0" in value.decode()
    except UnicodeDecodeError:
        return True
