"""One day of a Delta table: its rows at one version, and their replacement in one commit beside a writer that appends.

delta-rs lets an overwrite fail as soon as anybody appended to what it read, so on today's partition it would never end.
Here the new files are written first; the commit then removes exactly the files that were read and adds the new ones.
Files that were appended meanwhile stay, and a commit that meets an update or a deletion of its files fails. It does not
notice a compaction: those are kept away by a lock, see spark_jobs.rewrites. Why so: docs/adr/0009.
"""

from datetime import date

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties
from deltalake.exceptions import TableNotFoundError

from spark_jobs.lake import open_table
from spark_jobs.lake_files import file_schema, write_files

_ROWS_AT_ONCE = 65_536


def find_table(lake_uri: str, name: str) -> DeltaTable | None:
    """The table as it is now; None when nothing was ever written to it."""
    try:
        return open_table(lake_uri, name)
    except TableNotFoundError:
        return None


class LakeDay:
    """The files of one day at the version that the table had when this was made; `database` shows them as `stored`."""

    def __init__(self, database: duckdb.DuckDBPyConnection, table: DeltaTable, column: str, day: date) -> None:
        self._database = database
        self._table = table
        self._filters = [(column, "=", day.isoformat())]
        self._column, self._day = column, day
        self.schema = pa.schema(table.schema().to_arrow())
        database.register("stored", table.to_pyarrow_dataset(file_pruning_predicate=self._filters))

    def replace(self, query: str, purpose: str) -> None:
        """Let the rows of a query stand where the rows at hand stood.

        Raises CommitFailedError when others changed one of the files meanwhile: look again then.
        """
        schema = file_schema(self.schema, self._column)
        columns = ", ".join(f'"{name}"' for name in schema.names)
        rows = self._database.execute(f"select {columns} from ({query})").to_arrow_reader(_ROWS_AT_ONCE)
        added = write_files(self._table, self._column, self._day, schema, rows)
        self._table.create_write_transaction(
            [*added],
            "overwrite",
            self._table.schema(),
            [self._column],
            self._filters,
            commit_properties=CommitProperties(custom_metadata={"purpose": purpose}),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
        )
