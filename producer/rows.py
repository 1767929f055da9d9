"""Reads a person's own file row by row: CSV, JSON lines or Parquet, told apart by the file's ending."""

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from producer.errors import ProducerError

Row = dict[str, Any] | str  # a string says why the row cannot be read
DELIMITERS = ",;\t|"
LONGEST_CELL = 16 * 1024 * 1024
ROWS_LOOKED_AT_FOR_COLUMNS = 1000


class RowFile:
    """A file of rows with named columns."""

    def __init__(self, path: Path) -> None:
        readers = {
            ".csv": _csv_rows,
            ".jsonl": _json_rows,
            ".ndjson": _json_rows,
            ".json": _json_rows,
            ".parquet": _parquet_rows,
        }
        if path.suffix.lower() not in readers:
            raise ProducerError(f"{path} must end in one of {', '.join(readers)}.")
        if not path.is_file():
            raise ProducerError(f"There is no file {path}.")
        self.path = path
        self._read = readers[path.suffix.lower()]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Rows with their number: the line in a text file, counted from 1; the record in Parquet."""
        try:
            yield from self._read(self.path)
        except (OSError, csv.Error, pyarrow.ArrowException) as error:
            raise ProducerError(f"{self.path} cannot be read: {error}") from error

    def columns(self) -> list[str]:
        """The columns found in the first rows, in the order of the file."""
        names: dict[str, None] = {}
        for _, row in islice(self.rows(), ROWS_LOOKED_AT_FOR_COLUMNS):
            if isinstance(row, dict):
                names.update(dict.fromkeys(row))
        if not names:
            raise ProducerError(f"{self.path} holds no rows.")
        return list(names)


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        header = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(DELIMITERS, key=header.count), restkey="")
        for row in reader:
            yield reader.line_num, "more cells than the header has columns" if "" in row else row


def _json_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _json_row(line)


def _json_row(line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else "not a JSON object"


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        for row in batch.to_pylist():
            number += 1
            yield number, row
