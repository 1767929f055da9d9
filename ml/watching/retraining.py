"""Wishes that a model be trained again: asked for by lasting drift, taken by whoever trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from ml.policy import RetrainingPolicy, retraining
from ml.watching.store import Connection


@dataclass(frozen=True)
class Request:
    """A wish that was taken."""

    id: int
    model: str
    why: str


def ask(connection: Connection, now: datetime, policy: RetrainingPolicy | None = None) -> list[str]:
    """Ask for training where drift of the champion has lasted; returns the models. Any number may ask at once."""
    policy = policy or retraining()
    lasted = sql.SQL(" or ").join(
        sql.SQL("(kind = {} and started_at <= %(now)s - {} * interval '1 hour')").format(kind, hours)
        for kind, hours in policy.after_hours.items()
    )
    found = connection.execute(
        sql.SQL(_ASK).format(lasted=lasted),
        {"now": now, "cool_down": policy.cool_down_hours, "most": policy.most_per_week},
    )
    return [str(model) for (model,) in found]


@contextmanager
def taken(connection: Connection, policy: RetrainingPolicy | None = None) -> Iterator[Request | None]:
    """The oldest open wish that nobody works on, or None. It stays this process's own until the block is left.

    A wish whose trainer was killed is open again at once; after `most_attempts` it has failed.
    """
    policy = policy or retraining()
    open_ones = connection.execute(
        "select id from ops.retraining_requests where state in ('asked', 'running') order by asked_at, id"
    ).fetchall()
    for (number,) in open_ones:
        if not _lock(connection, number):
            continue
        try:
            request = _begin(connection, number, policy.most_attempts)
            if request is not None:
                yield request
                return
        finally:
            if not connection.closed:  # a lost connection has unlocked it already
                connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [_name(number)])
    yield None


def finish(connection: Connection, request: Request, run_id: str, version: str | None, note: str | None) -> None:
    """It was trained; `note` says what kept it out of the registry."""
    connection.execute(
        "update ops.retraining_requests set state = 'done', ended_at = clock_timestamp(), run_id = %s, version = %s, "
        "note = %s where id = %s",
        [run_id, None if version is None else int(version), note, request.id],
    )


def fail(connection: Connection, request: Request, note: str) -> None:
    """It cannot be trained."""
    connection.execute(
        "update ops.retraining_requests set state = 'failed', ended_at = clock_timestamp(), note = %s where id = %s",
        [note, request.id],
    )


def remark(connection: Connection, request: Request, note: str) -> None:
    """Why it did not come to its end this time."""
    connection.execute("update ops.retraining_requests set note = %s where id = %s", [note, request.id])


def give_back(connection: Connection, request: Request) -> None:
    """It could not even be begun: that counts as no attempt."""
    connection.execute(
        "update ops.retraining_requests set state = 'asked', attempts = attempts - 1, began_at = null where id = %s",
        [request.id],
    )


def _begin(connection: Connection, number: int, most_attempts: int) -> Request | None:
    row = connection.execute(
        "update ops.retraining_requests set state = 'running', attempts = attempts + 1, began_at = clock_timestamp() "
        "where id = %s and state in ('asked', 'running') and attempts < %s returning id, model, why",
        [number, most_attempts],
    ).fetchone()
    if row is not None:
        return Request(*row)
    connection.execute(
        "update ops.retraining_requests set state = 'failed', ended_at = clock_timestamp(), "
        "note = format('training was begun %%s times and never came to its end', attempts) "
        "|| coalesce(': ' || note, '') "
        "where id = %s and state in ('asked', 'running')",
        [number],
    )
    return None


def _lock(connection: Connection, number: int) -> bool:
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [_name(number)]).fetchone()
    return bool(row and row[0])


def _name(number: int) -> str:
    return f"ops.retraining_requests {number}"


_ASK = """
    with lasting as (
        select d.model, string_agg(
            format('%%s drift of version %%s since %%s: %%s', d.kind, d.version,
                to_char(d.started_at, 'YYYY-MM-DD HH24:MI'), d.reason), '; ' order by d.started_at, d.id) as why
        from ops.drift d
        where d.ended_at is null and ({lasted}) and exists (
            select 1 from ops.inferences i
            where i.scored_at >= %(now)s - interval '1 day' and i.scored_at < %(now)s and i.model = d.model
                and i.version = d.version and i.arm = 'champion')
        group by d.model
    )
    insert into ops.retraining_requests (model, asked_at, why)
    select model, %(now)s, why from lasting l
    where not exists (
            select 1 from ops.retraining_requests r where r.model = l.model and (r.state in ('asked', 'running')
                or r.asked_at > %(now)s - %(cool_down)s * interval '1 hour'))
        and (select count(*) from ops.retraining_requests r
            where r.model = l.model and r.asked_at > %(now)s - interval '7 days') < %(most)s
    on conflict (model) where state in ('asked', 'running') do nothing
    returning model
"""
