"""The watch's tables in Postgres."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from ml.watching.hours import Hour, Outcomes, instant, number_of
from ml.watching.judge import Finding
from programs import rounds

Connection = rounds.Connection
Version = tuple[str, int]

NAME = "watching"
"""Of the one watcher: in Postgres, and in the log."""
KEPT_DAYS = 90


def connect(url: str) -> Connection:
    """A connection whose transactions see UTC. Raises psycopg.OperationalError when Postgres is away."""
    return rounds.connect(url, NAME)


def is_alone(connection: Connection) -> bool:
    """Whether this connection is the one watcher now; it stays so until it is closed."""
    return rounds.is_alone(connection, NAME)


def done_until(connection: Connection, step: str) -> int | None:
    """The hour that a step has to do next; None before the first."""
    row = connection.execute("select done_until from ops.watching_progress where step = %s", [step]).fetchone()
    return None if row is None else number_of(row[0])


def set_done(connection: Connection, step: str, until: int) -> None:
    """A step has done all hours before this one."""
    connection.execute(
        "insert into ops.watching_progress (step, done_until) values (%s, %s) on conflict (step) do update "
        "set done_until = excluded.done_until, updated_at = clock_timestamp()",
        [step, instant(until)],
    )


def first_hour(connection: Connection) -> int | None:
    """The hour of the oldest answer that is kept; None without any."""
    row = connection.execute("select min(scored_at) from ops.inferences").fetchone()
    return None if row is None or row[0] is None else number_of(row[0])


def answered(connection: Connection, hour: int) -> dict[Version, int]:
    """How many requests each version answered in an hour."""
    found = connection.execute(
        "select model, version, count(*) from ops.inferences where scored_at >= %s and scored_at < %s group by 1, 2",
        [instant(hour), instant(hour + 1)],
    )
    return {(model, int(version)): int(rows) for model, version, rows in found}


def was_asked(connection: Connection, model: str, hour: int) -> bool:
    """Whether any version of a model answered in an hour."""
    row = connection.execute(
        "select exists (select 1 from ops.inferences where scored_at >= %s and scored_at < %s and model = %s)",
        [instant(hour), instant(hour + 1), model],
    ).fetchone()
    return bool(row and row[0])


def sample(
    connection: Connection, version: Version, hour: int, one_in: int
) -> tuple[list[dict[str, Any]], list[float]]:
    """Every so many of an hour's requests, drawn by their identity, and the scores that were answered."""
    rows = connection.execute(
        "select request, score from ops.inferences where scored_at >= %s and scored_at < %s and model = %s "
        "and version = %s and abs(hashtextextended(request_id::text, 0) %% %s) = 0",
        [instant(hour), instant(hour + 1), *version, one_in],
    ).fetchall()
    return [request for request, _ in rows], [float(score) for _, score in rows]


def keep_counts(connection: Connection, version: Version, hour: int, rows: int, counts: Mapping[str, Any]) -> None:
    """The requests of an hour; safe to repeat."""
    connection.execute(
        "insert into ops.model_hours (model, version, hour, rows, counts) values (%s, %s, %s, %s, %s) "
        "on conflict (model, version, hour) do update set rows = excluded.rows, counts = excluded.counts",
        [*version, instant(hour), rows, Jsonb(dict(counts))],
    )


def settle(connection: Connection, model: str, hour: int, positive: str) -> None:
    """Look up what came of a model's answers of an hour, and sum how right they were; safe to repeat.

    `positive`: the key in `scores` whose probability is meant; empty where `score` is the one.
    """
    values = {"model": model, "first": instant(hour), "end": instant(hour + 1), "positive": positive}
    connection.execute(_OUTCOMES.format(found=_FOUND[model]), values)
    connection.execute(_SUMS, values)


def hours(connection: Connection, first: int, until: int) -> dict[Version, list[Hour]]:
    """Each version's hours [first, until], oldest first."""
    rows = connection.execute(
        "select model, version, hour, rows, counts, outcome_rows, predicted, variance, observed, loss "
        "from ops.model_hours where hour between %s and %s order by hour",
        [instant(first), instant(until)],
    )
    found: dict[Version, list[Hour]] = {}
    for model, version, hour, count, counts, *sums in rows:
        found.setdefault((model, int(version)), []).append(Hour(number_of(hour), count, counts, Outcomes(*sums)))
    return found


def reference(connection: Connection, version: Version) -> str | None:
    """A version's reference, if it was fetched before."""
    row = connection.execute(
        "select reference::text from ops.model_references where model = %s and version = %s", version
    ).fetchone()
    return None if row is None else str(row[0])


def keep_reference(connection: Connection, version: Version, text: str) -> None:
    """Keep a reference, so that MLflow may be away."""
    connection.execute(
        "insert into ops.model_references (model, version, reference) values (%s, %s, %s::jsonb) "
        "on conflict do nothing",
        [*version, text],
    )


def open_findings(connection: Connection) -> dict[Version, list[Finding]]:
    """Drift that has not ended."""
    rows = connection.execute(
        "select model, version, kind, feature, started_at, value, rows, reason, id from ops.drift "
        "where ended_at is null"
    )
    found: dict[Version, list[Finding]] = {}
    for model, version, kind, feature, started, value, count, reason, number in rows:
        one = Finding(kind, feature, number_of(started), value, count, reason, None, number)
        found.setdefault((model, int(version)), []).append(one)
    return found


def save(connection: Connection, version: Version, changed: Iterable[Finding]) -> None:
    """Keep what a look found; safe to repeat."""
    for one in changed:
        values = {
            **{name: getattr(one, name) for name in ("kind", "feature", "value", "rows", "reason", "id")},
            "model": version[0],
            "version": version[1],
            "started": instant(one.started),
            "ended": None if one.ended is None else instant(one.ended),
        }
        connection.execute(_INSERT if one.id is None else _UPDATE, values)


def forget(connection: Connection, now: datetime) -> None:
    """Delete what is older than it is kept."""
    for table, column in (("inference_outcomes", "scored_at"), ("model_hours", "hour")):
        connection.execute(f"delete from ops.{table} where {column} < %s - %s * interval '1 day'", [now, KEPT_DAYS])


def models_asked_for(connection: Connection) -> Sequence[str]:
    """Models whose training again is asked for or under way."""
    rows = connection.execute("select model from ops.retraining_requests where state in ('asked', 'running')")
    return [str(model) for (model,) in rows]


_INSERT = """
    insert into ops.drift (model, version, kind, feature, started_at, value, rows, reason)
    values (%(model)s, %(version)s, %(kind)s, %(feature)s, %(started)s, %(value)s, %(rows)s, %(reason)s)
    on conflict (model, version, kind, feature, started_at) do update set value = excluded.value,
        rows = excluded.rows, reason = excluded.reason, ended_at = null, updated_at = clock_timestamp()
"""

_UPDATE = """
    update ops.drift set value = %(value)s, rows = %(rows)s, reason = %(reason)s, ended_at = %(ended)s,
        updated_at = clock_timestamp()
    where id = %(id)s
"""

_ATTEMPT = """
    select distinct on (i.request_id, i.version, i.scored_at) i.*, p.is_approved as outcome
    from asked i join live.payments p on p.transaction_id = i.transaction_id
        and p.event_timestamp >= i.scored_at - interval '1 minute'
        and p.event_timestamp < i.scored_at + interval '{within}' {also}
    where p.event_timestamp >= %(first)s - interval '1 minute'
        and p.event_timestamp < %(end)s::timestamptz + interval '{within}'
    order by i.request_id, i.version, i.scored_at, p.event_timestamp
"""

_LABEL = """
    select distinct on (i.request_id, i.version, i.scored_at) i.*, t.is_fraud as outcome
    from asked i join live.transactions t on t.transaction_id = i.transaction_id
    where t.event_timestamp >= %(first)s - interval '2 hours' and t.event_timestamp < %(end)s + interval '2 hours'
    order by i.request_id, i.version, i.scored_at, t.event_timestamp desc
"""

_FOUND: Mapping[str, str] = {
    "fraud_detection_model": _LABEL,
    "risk_scoring_model": _LABEL,
    "approval_propensity_model": _ATTEMPT.format(
        within="1 hour",
        also="and p.attempt_number = coalesce((i.request ->> 'attempt_number')::float8, p.attempt_number)",
    ),
    "smart_routing_policy": _ATTEMPT.format(within="1 hour", also="and p.processor = i.decision"),
    "smart_retry_policy": _ATTEMPT.format(
        within="49 hours",
        also="and p.attempt_number = (i.request ->> 'previous_attempts')::float8 + 1",
    ),
}
"""How the outcome of an answer is found: the first attempt that fits it, or the label of the purchase."""

_OUTCOMES = """
    with asked as materialized (
        select * from ops.inferences
        where scored_at >= %(first)s and scored_at < %(end)s and model = %(model)s and transaction_id is not null
    ), found as ({found})
    insert into ops.inference_outcomes (scored_at, request_id, model, version, outcome)
    select scored_at, request_id, model, version, outcome from found
    on conflict (scored_at, request_id, model, version) do update
        set outcome = excluded.outcome, known_at = excluded.known_at
"""

_SUMS = """
    with judged as (
        select version, outcome, least(greatest(p, 1e-6), 1 - 1e-6) as p from (
            select i.version, o.outcome,
                case when %(positive)s = '' then i.score else (i.scores ->> %(positive)s)::float8 end as p
            from ops.inferences i join ops.inference_outcomes o using (scored_at, request_id, model, version)
            where i.scored_at >= %(first)s and i.scored_at < %(end)s and i.model = %(model)s) as one
        where p is not null
    )
    insert into ops.model_hours (model, version, hour, outcome_rows, predicted, variance, observed, loss)
    select %(model)s, version, %(first)s, count(*), sum(p), sum(p * (1 - p)), sum(outcome::int),
        sum(-ln(case when outcome then p else 1 - p end))
    from judged group by version
    on conflict (model, version, hour) do update set outcome_rows = excluded.outcome_rows,
        predicted = excluded.predicted, variance = excluded.variance, observed = excluded.observed,
        loss = excluded.loss
"""
