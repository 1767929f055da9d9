"""`python -m serving keys`: make, list and revoke keys, as a role that may write them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import psycopg
import typer

from serving.access.callers import Scope
from serving.access.keys import SHOWN, hash_of, new_secret

app = typer.Typer(
    help="Keys of the API. DATABASE_URL must be that of a role that may write them, such as "
    "postgresql://payments_access:…@127.0.0.1:5433/payments. How keys are used: docs/access.md.",
    no_args_is_help=True,
)

_CREATE = """
insert into ops.api_keys (name, key_hash, prefix, scopes, merchant_ids, expires_at)
values (%s, %s, %s, %s, %s, %s)
returning key_id
"""
_LIST = """
select key_id, prefix, name, scopes, merchant_ids, created_at, expires_at, revoked_at, last_used_at
from ops.api_keys
where %s or (revoked_at is null and (expires_at is null or expires_at > clock_timestamp()))
order by key_id
"""
_REVOKE = """
update ops.api_keys
set revoked_at = coalesce(revoked_at, clock_timestamp())
where key_id = %s
returning name, prefix, revoked_at
"""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use it, such as 'grafana' or 'Anna, finance'.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is good for, repeatable.")] = [Scope.ANALYTICS_READ],  # noqa: B006
    merchant: Annotated[
        list[str], typer.Option(help="Limit it to this merchant, repeatable. Default: the whole business.")
    ] = [],  # noqa: B006
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it expires.")] = 365,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    scopes = list(dict.fromkeys(one.value for one in scope))
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise typer.BadParameter("expected a name of 1 to 100 printable characters")
    if merchant and scopes != [Scope.ANALYTICS_READ.value]:
        raise typer.BadParameter("a key that is limited to merchants can have the scope analytics:read alone")
    if not all(one.strip() and one.isprintable() for one in merchant):
        raise typer.BadParameter("a merchant's id is empty")
    secret = new_secret()
    expires_at = datetime.now(UTC) + timedelta(days=days)
    merchants = sorted(set(merchant)) or None
    with _database() as connection:
        values = [name, hash_of(secret), secret[:SHOWN], scopes, merchants, expires_at]
        row = connection.execute(_CREATE, values).fetchone()
    assert row is not None
    typer.echo(
        f"key {row[0]} for {name}, {', '.join(scopes)}, until {expires_at:%Y-%m-%d}. Keep it, it is not shown again:",
        err=True,
    )
    typer.echo(secret)


@app.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Also those that expired or were revoked.")] = False,
) -> None:
    """List keys by the beginning that people recognise them by."""
    with _database() as connection:
        rows = connection.execute(_LIST, [everything]).fetchall()
    for row in rows:
        typer.echo(_line(*row))
    if not rows:
        typer.echo("there is no key: make one by `python -m serving keys create NAME`", err=True)


@app.command()
def revoke(
    key_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="Number of the key; `list` tells it.")],
) -> None:
    """Make a key invalid for good. The service may know it for some seconds longer (API_KEY_CACHE_SECONDS)."""
    with _database() as connection:
        row = connection.execute(_REVOKE, [key_id]).fetchone()
    if row is None:
        raise _failure(f"there is no key {key_id}: `python -m serving keys list --all` tells which there are")
    typer.echo(f"key {key_id} ({row[1]}…, {row[0]}) is revoked since {row[2].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def _line(
    key_id: int,
    prefix: str,
    name: str,
    scopes: list[str],
    merchants: list[str] | None,
    created: datetime,
    expires: datetime | None,
    revoked: datetime | None,
    used: datetime | None,
) -> str:
    facts = [
        f"{key_id:>4}  {prefix}…  {name}",
        " ".join(scopes),
        f"merchants {' '.join(merchants)}" if merchants else "all merchants",
        f"made {_day(created)}",
        f"expires {_day(expires)}",
        f"last used {_day(used)}",
    ]
    return "  ".join([*facts, f"REVOKED {_day(revoked)}"] if revoked else facts)


def _day(instant: datetime | None) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d}" if instant else "never"


@contextmanager
def _database() -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection whose errors are one line that says what to do."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        raise _failure(
            "set DATABASE_URL to the role that keeps keys: postgresql://payments_access:…@host:5433/payments"
        )
    try:
        with psycopg.connect(url, connect_timeout=5, options="-c timezone=UTC") as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege:
        raise _failure("this role may not keep keys: set DATABASE_URL to that of payments_access") from None
    except psycopg.errors.UndefinedTable:
        raise _failure("the database is not up to date: run `python -m postgres.migrate`") from None
    except (psycopg.Error, ValueError) as error:
        raise _failure(str(error).strip().splitlines()[0]) from None


def _failure(reason: str) -> typer.Exit:
    typer.echo(f"error: {reason}", err=True)
    return typer.Exit(1)
