"""A person's own file as a source: CSV or Parquet, its columns mapped onto the fields of checkouts and payments."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from domain.contracts import avro_schema
from domain.history import Purchase
from ml.datasets.history import HISTORY_SCHEMA, HistoryFold
from ml.datasets.source import Fingerprint, run, sha256
from ml.errors import MlError

_READERS = {".csv": "read_csv({file}, all_varchar = true, header = true)", ".parquet": "read_parquet({file})"}
_TYPES = {"string": "varchar", "double": "double", "boolean": "boolean", "int": "double", "long": "timestamptz"}
_INSTANT = "event_timestamp"
_DERIVED = {"country": "varchar", "city": "varchar", _INSTANT: "timestamptz"}
_KEYS = ("amount", _INSTANT)
"""What a row cannot do without."""
_PARTY = {"user_id": "double", "device_id": "varchar", "merchant": "varchar"}
_EPOCH_MS_FROM = 100_000_000_000


def fields() -> dict[str, str]:
    """Every field that a column can be mapped to, and its type: those of checkouts and of payments in one row."""
    found: dict[str, str] = {}
    for topic in ("ecommerce.transactions", "payments.transactions"):
        for one in avro_schema(topic)["fields"]:
            kind = one["type"][1] if isinstance(one["type"], list) else one["type"]
            found[one["name"]] = _TYPES[kind["type"] if isinstance(kind, dict) else kind]
    del found["timestamp"], found["location"]
    return {**found, **_DERIVED}


@dataclass
class FileSource:
    """One row per attempt, or per purchase where there is no more. `refused`: rows without an amount or an instant."""

    file: Path
    mapping: Path | None = None
    has_truth: bool = False
    refused: int = 0

    def __post_init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute("set threads = 1; set timezone = 'UTC'")
        raw = self._raw()
        self._given = columns_of_fields(self.file, self._columns(raw), self.mapping)
        self._create_rows(raw)
        self._create_views()

    def read(self, query: str) -> pa.Table:
        """The rows of a query over the views. Raises MlError when the file lacks what the model learns from."""
        self._require_label(query)
        return run(self._database, query)

    def fingerprint(self, rows: pa.Table) -> Fingerprint:
        """Of rows that were read from here; the file's own digest stands for a version."""
        with self.file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return Fingerprint({self.file.name: digest}, rows.num_rows, sha256(rows))

    def _raw(self) -> str:
        if self.file.suffix.lower() not in _READERS:
            raise MlError(f"{self.file} must end in .csv or .parquet.")
        if not self.file.is_file():
            raise MlError(f"There is no file {self.file}.")
        return _READERS[self.file.suffix.lower()].format(file=_literal(str(self.file)))

    def _columns(self, raw: str) -> list[str]:
        try:
            return [str(row[0]) for row in self._database.execute(f"describe select * from {raw}").fetchall()]
        except duckdb.Error as error:
            raise MlError(f"{self.file} cannot be read: {str(error).splitlines()[0]}") from error

    def _create_rows(self, raw: str) -> None:
        chosen = ", ".join(
            f"{_converted(self._given[name], kind) if name in self._given else f'null::{kind}'} as {_quoted(name)}"
            for name, kind in fields().items()
        )
        required = " and ".join(f"{name} is not null" for name in _KEYS)
        try:
            self._database.execute(f"create table given as select {chosen}, row_number() over () as place from {raw}")
            self._database.execute(f"create table kept as select * from given where {required} and amount > 0")
        except duckdb.Error as error:
            raise MlError(f"{self.file} cannot be read: {str(error).splitlines()[0]}") from error
        counts = self._database.execute("select (select count(*) from given), (select count(*) from kept)").fetchone()
        total, kept = counts if counts is not None else (0, 0)
        self.refused = total - kept
        if not kept:
            raise MlError(f"No row of {self.file} has an amount above 0 and an instant that can be read.")

    def _create_views(self) -> None:
        self._database.execute("""
            create view transactions as select * replace (coalesce(transaction_id, place::varchar) as transaction_id)
            from kept where coalesce(attempt_number, 1) = 1;
            create view payments as select * replace (
                coalesce(transaction_id, place::varchar) as transaction_id,
                coalesce(event_id, place::varchar) as event_id,
                coalesce(attempt_number, 1) as attempt_number, coalesce(fee_amount, 0) as fee_amount)
            from kept
        """)
        self._database.register("scores", self._history())

    def _history(self) -> pa.Table:
        """What was known before each purchase; nothing where the file does not say whose it was."""
        schema = pa.schema([("transaction_id", pa.string()), (_INSTANT, pa.timestamp("us", "UTC")), *HISTORY_SCHEMA])
        rows = self._database.execute(
            f"select transaction_id, {_INSTANT}, user_id, device_id, merchant, amount from transactions "
            f"order by {_INSTANT}, transaction_id"
        ).to_arrow_table()
        fold = HistoryFold() if set(_PARTY) <= self._given.keys() else None
        return pa.Table.from_pylist([_with_history(row, fold) for row in rows.to_pylist()], schema)

    def _require_label(self, query: str) -> None:
        needed = [name for name in ("is_fraud", "is_approved") if f".{name} is not null" in query]
        missing = [name for name in needed if name not in self._given]
        if missing:
            raise MlError(
                f"{self.file} has no column for {', '.join(missing)}, which this model learns. Name it in [columns] of "
                "a --mapping file."
            )


def columns_of_fields(file: Path, columns: list[str], mapping: Path | None) -> dict[str, str]:
    """Field to column: those of the mapping, and columns that are named like a field."""
    mapped = {} if mapping is None else _read_mapping(mapping)
    _require_known("column", mapped.values(), columns, str(file))
    _require_known("field", mapped, list(fields()), "the contract")
    given = {name: name for name in columns if name in fields()} | mapped
    missing = [name for name in _KEYS if name not in given]
    if missing:
        raise MlError(
            f"{file} has no column for {', '.join(missing)}; it has {', '.join(columns)}. Name the column in [columns] "
            f'of a --mapping file: {missing[0]} = "your column".'
        )
    return given


def _read_mapping(mapping: Path) -> dict[str, str]:
    try:
        stored = tomllib.loads(mapping.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MlError(f"--mapping {mapping} cannot be read: {error}") from error
    found = stored.get("columns")
    if set(stored) != {"columns"} or not isinstance(found, dict):
        raise MlError(f'--mapping {mapping} must hold [columns] and nothing else: field = "your column".')
    return {str(name): str(column) for name, column in found.items()}


def _require_known(what: str, names: Iterable[str], known: list[str], where: str) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise MlError(f"There is no {what} {name!r} in {where}{hint} It has: {', '.join(known)}.")


def _converted(column: str, kind: str) -> str:
    """The column as the type; null where it cannot be."""
    text = f"trim({_quoted(column)}::varchar)"
    if kind == "timestamptz":
        number = f"try_cast({text} as double)"
        seconds = f"case when abs({number}) >= {_EPOCH_MS_FROM} then {number} / 1000 else {number} end"
        return f"coalesce(try_cast({text} as timestamptz), to_timestamp({seconds}))"
    if kind == "boolean":
        return (
            f"case when lower({text}) in ('true', 't', 'yes', 'y', '1', '1.0') then true "
            f"when lower({text}) in ('false', 'f', 'no', 'n', '0', '0.0') then false end"
        )
    if kind == "double":
        number = f"try_cast({text} as double)"
        return f"case when isfinite({number}) then {number} end"
    return f"nullif({text}, '')"


def _with_history(row: Mapping[str, Any], fold: HistoryFold | None) -> dict[str, Any]:
    key = {"transaction_id": row["transaction_id"], _INSTANT: row[_INSTANT]}
    if fold is None or any(row[name] is None for name in _PARTY):
        return key
    return {**key, **fold.add(_purchase(row, row[_INSTANT]))}


def _purchase(row: Mapping[str, Any], at: datetime) -> Purchase:
    return Purchase(int(row["user_id"]), row["device_id"], row["merchant"], row["amount"], at)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
