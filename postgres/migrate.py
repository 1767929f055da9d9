"""`python -m postgres.migrate`: roles and databases first, then every Alembic revision not yet applied."""

import logging
import sys
import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text

from postgres.cluster import MIGRATION_LOCK, prepare_cluster
from postgres.settings import MigrateSettings, MissingSettingsError, read_settings

MIGRATIONS = Path(__file__).parent / "migrations"
RETRY_SECONDS = 0.5

log = logging.getLogger("postgres.migrate")


class PostgresAwayError(Exception):
    """Postgres did not accept a connection in time."""


def migrate(settings: MigrateSettings) -> None:
    """Bring roles, databases and the schema of `payments` up to date; safe to repeat and to run twice at once.

    Raises:
        PostgresAwayError: when no connection succeeds within `postgres_wait_seconds`.
    """
    with connect(str(settings.postgres_admin_url), settings.postgres_wait_seconds) as connection:
        connection.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
        prepare_cluster(connection, _passwords(settings))
        upgrade(settings)


def connect(url: str, wait_seconds: float) -> psycopg.Connection:
    """An autocommitting connection, tried again until Postgres is up.

    Raises:
        PostgresAwayError: after `wait_seconds` without success.
        psycopg.OperationalError: at once, when Postgres answers but refuses the user or the database.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return psycopg.connect(url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError as error:
            if _is_refusal(error):
                raise
            if time.monotonic() >= deadline:
                raise PostgresAwayError(f"Postgres did not answer within {wait_seconds:g} s: {error}") from error
            time.sleep(RETRY_SECONDS)


def upgrade(settings: MigrateSettings, database: str = "payments") -> None:
    """Apply all revisions to a database, in one transaction."""
    url = make_url(str(settings.postgres_admin_url)).set(drivername="postgresql+psycopg", database=database)
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        connection.execute(text("set local timezone = 'UTC'"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _is_refusal(error: psycopg.OperationalError) -> bool:
    """Whether waiting is useless: a wrong password or an unknown database stays so."""
    return any(sign in str(error) for sign in ("authentication failed", "does not exist", "no pg_hba.conf entry"))


def _passwords(settings: MigrateSettings) -> dict[str, str]:
    return {
        "payments_owner": settings.payments_owner_password.get_secret_value(),
        "payments_stream": settings.payments_stream_password.get_secret_value(),
        "payments_dbt": settings.payments_dbt_password.get_secret_value(),
        "payments_api": settings.payments_api_password.get_secret_value(),
        "payments_access": settings.payments_access_password.get_secret_value(),
        "payments_analyst": settings.payments_analyst_password.get_secret_value(),
        "registry": settings.registry_db_password.get_secret_value(),
        "mlflow": settings.mlflow_db_password.get_secret_value(),
    }


def main() -> int:
    """Run the migrations; 0 when all is up to date, 1 with a sentence on what to do otherwise."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        migrate(read_settings())
    except (MissingSettingsError, PostgresAwayError, psycopg.OperationalError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    log.info("database payments is up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
