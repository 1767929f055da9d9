"""The connection of what is written beside the answers: the pool of those only reads."""

from typing import Any

from psycopg import AsyncConnection


class WritingConnection:
    """Opened when first asked for, and again after it broke. `name`: what Postgres shows of it."""

    def __init__(self, database_url: str, name: str) -> None:
        self._url = database_url
        self._name = name
        self._connection: AsyncConnection[Any] | None = None

    async def open(self) -> AsyncConnection[Any]:
        """The connection, autocommitting and in UTC. Raises psycopg.OperationalError when Postgres is away."""
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                connect_timeout=2,
                application_name=self._name,
                options="-c statement_timeout=5000 -c timezone=UTC",
            )
        return self._connection

    async def close(self) -> None:
        """End it."""
        if self._connection is not None:
            await self._connection.close()
