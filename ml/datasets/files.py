"""A person's own file as a source: CSV or Parquet, its columns mapped onto the fields of checkouts and payments."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from domain.contracts import avro_schema
from domain.history import Purchase
from ml.datasets.history import HISTORY_SCHEMA, LATELY, HistoryFold
from ml.datasets.source import Fingerprint, run, sha256
from ml.errors import MlError

_READERS = {".csv": "read_csv({file}, all_varchar = true, header = true)", ".parquet": "read_parquet({file})"}
_TYPES = {"string": "varchar", "double": "double", "boolean": "boolean", "int": "double", "long": "timestamptz"}
_INSTANT = "event_timestamp"
_DERIVED = {"country": "varchar", "city": "varchar", _INSTANT: "timestamptz"}
_KEYS = ("amount", _INSTANT)
"""What a row cannot do without."""
_PARTIES: Mapping[str, tuple[str, ...]] = {
    "user_id": ("user_transactions", "user_amount_cents", "user_seconds_since_last", LATELY, "user_devices",
                "is_new_device", "device_users"),
    "device_id": ("device_transactions", "device_users", "user_devices", "is_new_device"),
    "merchant": ("merchant_transactions", "merchant_amount_cents"),
}  # fmt: skip
"""Whose purchases history is made of, and what cannot be known where a row does not say who it was."""
_MOST_AMOUNT = 1e12
_ROW = "format('row {:012d}', place)"
"""What a row without an identity is called: in the order of the file, where instants are equal."""
_INSTANTS = "between timestamptz '1900-01-01 00:00:00Z' and timestamptz '2200-01-01 00:00:00Z'"
_EPOCH_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which number on an epoch is in nano-, micro- and milliseconds, and how many of those a second has."""


def fields() -> dict[str, str]:
    """Every field that a column can be mapped to, and its type: those of checkouts and of payments in one row."""
    found: dict[str, str] = {}
    for topic in ("ecommerce.transactions", "payments.transactions"):
        for one in avro_schema(topic)["fields"]:
            kind = one["type"][1] if isinstance(one["type"], list) else one["type"]
            found[one["name"]] = _TYPES[kind["type"] if isinstance(kind, dict) else kind]
    del found["timestamp"], found["location"]
    return {**found, **_DERIVED, "user_id": "varchar"}


@dataclass
class FileSource:
    """One row per attempt, or per purchase where there is no more.

    `refused`: rows without an amount or an instant; `repeated`: rows that tell of an attempt once more.
    """

    file: Path
    mapping: Path | None = None
    has_truth: bool = False
    refused: int = 0
    repeated: int = 0
    hint: str = "docs/models.md says what a file must hold."

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

    def remarks(self) -> list[str]:
        """What a person should know of the rows that are not learnt from."""
        return [
            *([f"rows without an amount above 0 or a readable instant: {self.refused:,}"] * bool(self.refused)),
            *([f"rows that tell of the same attempt again: {self.repeated:,}"] * bool(self.repeated)),
        ]

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
        same = "coalesce(attempt_number, 1)" if "attempt_number" in self._given else _INSTANT
        try:
            self._database.execute(f"create table given as select {chosen}, row_number() over () as place from {raw}")
            self._database.execute(f"""
                create view readable as select * replace (coalesce(transaction_id, {_ROW}) as transaction_id)
                from given where {_INSTANT} is not null and amount > 0 and amount <= {_MOST_AMOUNT};
                create table kept as select * from readable
                qualify row_number() over (partition by transaction_id, {same} order by {_INSTANT}, place) = 1
            """)
        except duckdb.Error as error:
            raise MlError(f"{self.file} cannot be read: {str(error).splitlines()[0]}") from error
        total, readable, kept = (self._count(name) for name in ("given", "readable", "kept"))
        self.refused, self.repeated = total - readable, readable - kept
        if not kept:
            raise MlError(
                f"No row of {self.file} has an amount above 0 and an instant that can be read.{self._such(raw)}"
            )

    def _count(self, relation: str) -> int:
        row = self._database.execute(f"select count(*) from {relation}").fetchone()
        return int(row[0]) if row is not None else 0

    def _such(self, raw: str) -> str:
        """The first row's keys as they are, for a person to see why."""
        names = ", ".join(f"{_quoted(self._given[name])}::varchar" for name in _KEYS)
        row = self._database.execute(f"select {names} from {raw} limit 1").fetchone()
        return "" if row is None else f" The first has {row[0]!r} and {row[1]!r}; instants are ISO 8601 or epochs."

    def _create_views(self) -> None:
        number = f"row_number() over (partition by transaction_id order by {_INSTANT}, place)"
        if "attempt_number" in self._given:
            number = "coalesce(attempt_number, 1)"
        self._database.execute(f"""
            create view numbered as select * replace ({number} as attempt_number) from kept;
            create view transactions as select * from numbered where attempt_number = 1;
            create table payments as select * replace (
                coalesce(event_id, {_ROW}) as event_id, coalesce(fee_amount, 0) as fee_amount,
                coalesce(previous_decline_reason, lag(decline_reason) over before) as previous_decline_reason,
                coalesce(minutes_since_decline, case when not lag(is_approved) over before
                    then epoch({_INSTANT} - lag({_INSTANT}) over before) / 60 end) as minutes_since_decline)
            from numbered window before as (partition by transaction_id order by attempt_number)
        """)
        self._database.register("scores", self._history())

    def _history(self) -> pa.Table:
        """What was known before each purchase; nothing where the file does not say whose it was."""
        schema = pa.schema([("transaction_id", pa.string()), (_INSTANT, pa.timestamp("us", "UTC")), *HISTORY_SCHEMA])
        rows = self._database.execute(
            f"select transaction_id, {_INSTANT}, user_id, device_id, merchant, amount from transactions "
            f"order by {_INSTANT}, transaction_id"
        ).to_arrow_table()
        known = _Known() if _PARTIES.keys() & self._given.keys() else None
        try:
            return pa.Table.from_pylist([_with_history(row, known) for row in rows.to_pylist()], schema)
        except (pa.ArrowInvalid, OverflowError) as error:
            raise MlError(f"The amounts in {self.file} are too large to be added up: {error}.") from error

    def _require_label(self, query: str) -> None:
        needed = [name for name in ("is_fraud", "is_approved") if f".{name} is not null" in query]
        missing = [name for name in needed if name not in self._given]
        if missing:
            raise MlError(
                f"{self.file} has no column for {', '.join(missing)}, which this model learns. Name it in [columns] of "
                "a --mapping file."
            )
        for name in needed:
            if not self._count(f"kept where {name} is not null"):
                raise MlError(f"{self.file} has no {self._given[name]} that says yes or no (true/false, yes/no, 1/0).")


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
    number = f"try_cast({text} as double)"
    if kind == "timestamptz":
        return _instant(text, number)
    if kind == "boolean":
        return (
            f"case when lower({text}) in ('true', 't', 'yes', 'y') or {number} = 1 then true "
            f"when lower({text}) in ('false', 'f', 'no', 'n') or {number} = 0 then false end"
        )
    if kind == "double":
        return f"case when isfinite({number}) then {number} end"
    return f"nullif({text}, '')"


def _instant(text: str, number: str) -> str:
    """ISO 8601, a day as eight digits, or an epoch in whatever unit; null outside of some centuries."""
    units = " ".join(f"when abs({number}) >= {least} then {number} / {unit}" for least, unit in _EPOCH_UNITS)
    seconds = f"case {units} else {number} end"
    epoch = f"case when abs({seconds}) < 1e11 then to_timestamp({seconds}) end"
    day = (
        f"case when regexp_full_match({text}, '(19|20)[0-9]{{6}}') then try_strptime({text}, '%Y%m%d')::timestamptz end"
    )
    found = f"coalesce({day}, try_cast({text} as timestamptz), {epoch})"
    return f"case when {found} {_INSTANTS} then {found} end"


class _Known:
    """What purchases told so far. Whoever a row does not name is somebody new, and nothing of them is known."""

    def __init__(self) -> None:
        self._fold = HistoryFold()
        self._numbers: dict[str, int] = {}
        self._unnamed = 0

    def before(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What was known before this purchase; then it is known too."""
        self._unnamed += 1
        user, device, merchant = (row[name] or f"\0{self._unnamed}" for name in _PARTIES)
        number = self._numbers.setdefault(user, len(self._numbers))
        known = self._fold.add(Purchase(number, device, merchant, row["amount"], row[_INSTANT]))
        unknown = {column for name, columns in _PARTIES.items() if row[name] is None for column in columns}
        return {name: None if name in unknown else value for name, value in known.items()}


def _with_history(row: Mapping[str, Any], known: _Known | None) -> dict[str, Any]:
    key = {"transaction_id": row["transaction_id"], _INSTANT: row[_INSTANT]}
    return key if known is None else {**key, **known.before(row)}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
