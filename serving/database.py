"""The pool of Postgres connections: opens lazily, gives up a lost connection quickly, never writes."""

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from serving.analytics.repository import Pool
from serving.settings import ApiSettings


def create_pool(settings: ApiSettings) -> Pool:
    """A closed pool; `open(wait=False)` lets the service start while Postgres is still away."""
    return AsyncConnectionPool(
        settings.database_url.get_secret_value(),
        connection_class=AsyncConnection,
        min_size=1,
        max_size=settings.pool_size,
        open=False,
        timeout=settings.pool_wait_seconds,
        # Waiting callers above this are refused at once: a queue that long cannot be served within the time-out.
        max_waiting=settings.pool_size * 25,
        # The pool doubles its pause between attempts; a short total lets each new request try afresh instead.
        reconnect_timeout=2.0,
        check=AsyncConnectionPool.check_connection,
        name="api",
        kwargs={
            "autocommit": True,
            "connect_timeout": 2,
            "application_name": "payments-api",
            # dbt re-creates the views under us; a prepared plan of the old one could fail for ever.
            "prepare_threshold": None,
            "options": f"-c statement_timeout={settings.statement_timeout_ms}"
            " -c default_transaction_read_only=on -c jit=off -c timezone=UTC",
        },
    )
