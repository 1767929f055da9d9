"""One rewrite of a Delta table's files at a time: compaction and reprocessing keep out of each other's way.

The stream's appends need no lock, and neither do readers.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def rewriting(connection: psycopg.Connection[tuple[object, ...]], table: str) -> Iterator[None]:
    """Hold the right to rewrite the table while the block runs; waits for whoever has it.

    The right is tied to the connection, which must be in autocommit: when its process dies, the right is free.
    """
    key = f"lake/{table}"
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [key])
