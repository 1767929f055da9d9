"""Where training data comes from: three views that DuckDB joins, and a fingerprint of what was read."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from ml.errors import AwayError, MlError
from spark_jobs.lake import open_table

TABLES = {
    "payments": "payments_enriched_silver",
    "transactions": "transactions_silver",
    "scores": "fraud_scores",
    "truth": "simulation_truth",
}
"""View by view, the table of the lake that it shows; `truth` is there only where the world is simulated."""


@dataclass(frozen=True)
class Fingerprint:
    """What exactly was learnt from: equal fingerprints are equal data."""

    versions: Mapping[str, str]
    rows: int
    sha256: str


class Source(Protocol):
    """Something that training sets can be read from."""

    has_truth: bool
    hint: str
    """What to do when there is nothing to learn from."""

    def read(self, query: str) -> pa.Table:
        """The rows of a query over the views."""

    def fingerprint(self, rows: pa.Table) -> Fingerprint:
        """Of rows that were read from here."""

    def remarks(self) -> list[str]:
        """What a person should know of the rows that are not learnt from."""


@dataclass
class LakeSource:
    """The tables of a lake, each at the version that it had when it was opened.

    `days`: only the newest so many. `most_rows`: when there are more payments, one purchase in so many is read, with
    all that belongs to it; the same ones each time.
    """

    uri: str
    days: int | None = None
    most_rows: int | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    hint: str = "Let the stream run first."

    def __post_init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute("set threads = 1; set timezone = 'UTC'")
        self._versions: dict[str, str] = {}
        self._one_in = self._sampled()
        self.has_truth = self._register("truth", is_optional=True)
        for view in ("payments", "transactions", "scores"):
            self._register(view)

    def read(self, query: str) -> pa.Table:
        """The rows of a query over the views. Raises MlError when the lake lacks a column."""
        return run(self._database, query)

    def fingerprint(self, rows: pa.Table) -> Fingerprint:
        """Of rows that were read from here."""
        return Fingerprint(dict(self._versions), rows.num_rows, sha256(rows))

    def remarks(self) -> list[str]:
        """What a person should know of the rows that are not learnt from."""
        return [f"all but one purchase in {self._one_in:,} (ML_MOST_ROWS)"] if self._one_in > 1 else []

    def _sampled(self) -> int:
        """One purchase in how many is read."""
        if self.most_rows is None:
            return 1
        rows: int = _recent(self._open(TABLES["payments"]).to_pyarrow_dataset(), self._first_day()).count_rows()
        return max(1, math.ceil(rows / self.most_rows))

    def _open(self, name: str) -> DeltaTable:
        try:
            return open_table(self.uri, name)
        except TableNotFoundError as error:
            raise MlError(f"The lake at {self.uri} has no table {name}. Run the stream, or `make train`.") from error
        except (DeltaError, OSError) as error:
            raise AwayError(f"The lake at {self.uri} cannot be read: {error}") from error

    def _register(self, view: str, is_optional: bool = False) -> bool:
        name = TABLES[view]
        try:
            table = self._open(name)
        except MlError as error:
            if is_optional and isinstance(error.__cause__, TableNotFoundError):
                return False
            raise
        self._versions[name] = str(table.version())
        self._database.register(f"all_{view}", _recent(table.to_pyarrow_dataset(), self._first_day()))
        chosen = f"where hash(transaction_id) % {self._one_in} = 0" if self._one_in > 1 else ""
        self._database.execute(f"create view {view} as select * from all_{view} {chosen}")
        return True

    def _first_day(self) -> Any:
        return None if self.days is None else (self.now - timedelta(days=self.days)).date()


def _recent(rows: pads.Dataset, first_day: Any) -> pads.Dataset:
    return rows if first_day is None else rows.filter(pads.field("event_date") >= pa.scalar(first_day, pa.date32()))


def run(database: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """The rows of a query. Raises MlError with what DuckDB says, AwayError when files cannot be read."""
    try:
        return database.execute(query).to_arrow_table()
    except (duckdb.IOException, OSError) as error:
        raise AwayError(f"The training set cannot be read: {str(error).splitlines()[0]}") from error
    except duckdb.Error as error:
        raise MlError(f"The training set cannot be read: {str(error).splitlines()[0]}") from error


def sha256(rows: pa.Table) -> str:
    """A digest of column names, types and values in their order."""
    digest = _Digest()
    with pa.ipc.new_stream(pa.PythonFile(digest, mode="w"), rows.schema.remove_metadata()) as stream:
        stream.write_table(rows.combine_chunks().replace_schema_metadata(None))
    return digest.sha256.hexdigest()


class _Digest:
    """A file that keeps nothing of what is written but its digest."""

    closed = False

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True
