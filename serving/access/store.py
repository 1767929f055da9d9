"""Keys and the record of requests in Postgres, for the service: it reads both, and adds to the record."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from serving.access.keys import Key
from serving.access.models import AuditEntry
from serving.database import Database
from serving.writing import WritingConnection

_KEY: LiteralString = """
select key_id, scopes, merchant_ids, expires_at, revoked_at
from ops.api_keys
where key_hash = %(hash)s
"""

_ENTRIES: LiteralString = """
select audit.audit_id, audit.at, audit.key_id, keys.name as key_name, audit.route, audit.parameters, audit.status,
    audit.row_count as rows, audit.duration_ms as ms, audit.request_id
from ops.query_audit as audit
left join ops.api_keys as keys on keys.key_id = audit.key_id
where audit.at >= %(start)s
  and audit.at < %(end)s
  and (%(key_id)s::bigint is null or audit.key_id = %(key_id)s)
  and (%(route)s::text is null or audit.route = %(route)s)
  and (%(status)s::integer is null or audit.status = %(status)s)
  and (%(before)s::bigint is null or audit.audit_id < %(before)s)
order by audit.audit_id desc
limit %(limit)s
"""

_ADD: LiteralString = """
insert into ops.query_audit (at, key_id, route, parameters, status, row_count, duration_ms, request_id)
select * from unnest(
    %s::timestamptz[], %s::bigint[], %s::text[], %s::jsonb[], %s::integer[], %s::integer[], %s::double precision[],
    %s::text[]
)
"""

_USED: LiteralString = """
update ops.api_keys as keys
set last_used_at = used.at
from unnest(%s::bigint[], %s::timestamptz[]) as used (key_id, at)
where keys.key_id = used.key_id and (keys.last_used_at is null or keys.last_used_at < used.at)
"""


@dataclass(frozen=True)
class AuditQuery:
    """Which requests; `start` is inclusive, `end` exclusive, None stands for any."""

    start: datetime
    end: datetime
    key_id: int | None
    route: str | None
    status: int | None
    before: int | None
    limit: int


@dataclass(frozen=True)
class Asked:
    """One request, answered."""

    at: datetime
    key_id: int | None
    route: str
    parameters: dict[str, list[str]]
    status: int
    rows: int | None
    ms: float
    request_id: str


class PostgresKeys:
    """Keys in ops.api_keys."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find(self, key_hash: bytes) -> Key | None:
        rows = await self.database.rows(Key, _KEY, {"hash": key_hash})
        return rows[0] if rows else None


class PostgresAudit:
    """The record in ops.query_audit."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def entries(self, query: AuditQuery) -> list[AuditEntry]:
        """Requests, the newest first."""
        return await self.database.rows(AuditEntry, _ENTRIES, vars(query))


class AuditWriter:
    """Adds to the record over a connection of its own, for those of the pool cannot write."""

    def __init__(self, database_url: str) -> None:
        self._connection = WritingConnection(database_url, "payments-api-audit")

    async def write(self, asked: Sequence[Asked]) -> None:
        """Add requests, all or none of them, and when each key was last used.

        Raises:
            psycopg.Error: when Postgres is away or refuses.
        """
        connection = await self._connection.open()
        columns = zip(*map(_columns, asked), strict=True)
        used = {one.key_id: one.at for one in asked if one.key_id is not None}
        async with connection.transaction():
            await connection.execute(_ADD, [list(column) for column in columns])
            await connection.execute(_USED, [list(used), list(used.values())])

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()


def _columns(one: Asked) -> tuple[object, ...]:
    parameters = json.dumps(one.parameters)
    return one.at, one.key_id, one.route, parameters, one.status, one.rows, one.ms, one.request_id
