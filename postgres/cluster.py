"""Databases and roles: what lives beside the databases and so cannot be an Alembic revision."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

# Two migrations at once take turns: roles and databases know no `if not exists` that is safe against that.
MIGRATION_LOCK = 7_203_115_550_214


@dataclass(frozen=True)
class Role:
    """A login and the settings each of its sessions starts with."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)


UTC = {"timezone": "UTC"}
ROLES = (
    Role("payments_owner", UTC),
    Role("payments_stream", {**UTC, "jit": "off"}),
    # A view is replaced under an exclusive lock: better that dbt fails and is run again than that readers queue.
    Role("payments_dbt", {**UTC, "jit": "off", "lock_timeout": "10s"}),
    Role("payments_api", {**UTC, "jit": "off", "statement_timeout": "30s"}),
    Role("payments_access", {**UTC, "statement_timeout": "30s"}),
    Role(
        "payments_analyst",
        {**UTC, "jit": "off", "statement_timeout": "60s", "default_transaction_read_only": "on", "work_mem": "8MB"},
    ),
    Role("registry", UTC),
    Role("mlflow", UTC),
)
OWNERS = {"payments": "payments_owner", "registry": "registry", "mlflow": "mlflow"}
CONNECT = {
    "payments": ("payments_stream", "payments_dbt", "payments_api", "payments_access", "payments_analyst"),
    "registry": (),
    "mlflow": (),
}
TEMPORARY = {"payments": ("payments_stream", "payments_dbt"), "registry": (), "mlflow": ()}


def prepare_cluster(connection: psycopg.Connection, passwords: Mapping[str, str]) -> None:
    """Create or bring up to date all roles and databases; safe to repeat.

    Args:
        connection: a superuser's, in autocommit.
        passwords: by role name, one for each of ROLES.
    """
    for role in ROLES:
        _ensure_role(connection, role, passwords[role.name])
    for database, owner in OWNERS.items():
        _ensure_database(connection, database, owner)
        _restrict_database(connection, database)


def _ensure_role(connection: psycopg.Connection, role: Role, password: str) -> None:
    name = sql.Identifier(role.name)
    if not connection.execute("select 1 from pg_roles where rolname = %s", [role.name]).fetchone():
        connection.execute(sql.SQL("create role {}").format(name))
    # Hashed on this side, so that the server's log cannot show the password.
    secret = connection.pgconn.encrypt_password(password.encode(), role.name.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("alter role {} with login password {}").format(name, sql.Literal(secret)))
    for setting, value in role.settings.items():
        statement = sql.SQL("alter role {} set {} = {}")
        connection.execute(statement.format(name, sql.Identifier(setting), sql.Literal(value)))


def _ensure_database(connection: psycopg.Connection, database: str, owner: str) -> None:
    if not connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
        statement = sql.SQL("create database {} owner {}")
        connection.execute(statement.format(sql.Identifier(database), sql.Identifier(owner)))


def _restrict_database(connection: psycopg.Connection, database: str) -> None:
    connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))
    for right, roles in (("connect", CONNECT[database]), ("temporary", TEMPORARY[database])):
        for role in roles:
            statement = sql.SQL("grant {} on database {} to {}")
            connection.execute(statement.format(sql.SQL(right), sql.Identifier(database), sql.Identifier(role)))
