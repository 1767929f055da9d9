"""Text that Postgres cannot store."""

import pyarrow as pa
import pytest

from spark_jobs.stream.text import unstorable


def column(*values: bytes | None) -> pa.Table:
    text = pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())
    return pa.table({"text": text, "n": range(len(values))})


def test_ordinary_text_and_null_are_fine() -> None:
    assert not unstorable(column(b"a", None, "é日本".encode(), b"")).any()


@pytest.mark.parametrize("bad", [b"nul\0byte", b"\xff\xfe", b"cut \xe6\x97"])
def test_only_the_row_with_the_bad_text_is_marked(bad: bytes) -> None:
    assert unstorable(column(b"a", bad, None, b"b")).tolist() == [False, True, False, False]


def test_two_halves_of_a_character_in_two_rows_are_both_bad() -> None:
    assert unstorable(column(b"\xc3", b"\xa9", b"ok")).tolist() == [True, True, False]


def test_no_rows_no_marks() -> None:
    assert unstorable(column()).tolist() == []
