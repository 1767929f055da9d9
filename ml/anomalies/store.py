"""The series and anomalies in Postgres."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from ml.anomalies.incident import Incident
from ml.anomalies.policy import SeriesPolicy
from ml.anomalies.profile import HourRow
from ml.anomalies.series import ALL, SEPARATOR, Count, Key
from programs import rounds

Connection = rounds.Connection

NAME = "anomalies"
"""Of the one watcher: in Postgres, and in the log."""
NO_REASON = "unstated"
"""Stands for the reason of a decline that names none."""


def connect(url: str) -> Connection:
    """A connection whose transactions see UTC. Raises psycopg.OperationalError when Postgres is away."""
    return rounds.connect(url, NAME)


def is_alone(connection: Connection) -> bool:
    """Whether this connection is the one watcher now; it stays so until it is closed."""
    return rounds.is_alone(connection, NAME)


def instant(minute: int) -> datetime:
    """A minute since 1970 as a time."""
    return datetime.fromtimestamp(minute * 60, UTC)


def minute_of(at: datetime) -> int:
    """The minute since 1970 that a time lies in."""
    return int(at.timestamp()) // 60


def complete_until(connection: Connection, policy: SeriesPolicy) -> int | None:
    """The last minute that can be judged; None while there are no payments.

    A minute is complete when newer events were committed `watermark_seconds` after its end. When nothing comes at
    all, the clock decides after `silence_after_seconds`, for `silence_minutes` at most; unless the stream was behind
    when it committed last, for then events may be waiting.
    """
    row = connection.execute(
        "select extract(epoch from max(least(newest_event_at, committed_at))), extract(epoch from clock_timestamp()), "
        "max(committed_at) - max(newest_event_at) > %s * interval '1 second' from live.progress "
        "where newest_event_at is not null and exists (select 1 from live.payment_minutes)",
        [policy.watermark_seconds],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    newest, now = float(row[0]), float(row[1])
    by_events = newest - policy.watermark_seconds
    by_clock = min(now - policy.silence_after_seconds, newest + 60 * policy.silence_minutes)
    return int((by_events if row[2] else max(by_events, by_clock)) // 60) - 1


def unsettled(connection: Connection, until: int, policy: SeriesPolicy) -> list[int]:
    """Minutes up to this one whose series are missing or differ from what the stream has committed, oldest first."""
    rows = connection.execute(
        """
        with committed as (
            select minute, sum(attempts)::bigint as attempts from live.payment_minutes
            where minute between %(from)s and %(until)s group by minute
        ), counted as (
            select minute, attempts, is_final from ops.series_minutes
            where dimension = 'all' and minute between %(from)s and %(until)s
        )
        select extract(epoch from minute)::bigint / 60 from committed left join counted using (minute)
        where counted.minute is null
            or abs(committed.attempts - counted.attempts) > %(share)s * committed.attempts
            or (not is_final and minute <= %(final)s)
        order by minute
        """,
        {
            "from": instant(until - policy.minutes_days * 1440),
            "until": instant(until),
            "share": policy.revise_share,
            "final": instant(until - policy.final_after_minutes),
        },
    )
    return [int(minute) for (minute,) in rows]


def count(connection: Connection, first: int, last: int, is_final: bool, policy: SeriesPolicy) -> None:
    """Count the series of the minutes [first, last] anew from the payments; safe to repeat."""
    with connection.transaction():
        span = {"first": instant(first), "end": instant(last + 1), "is_final": is_final, "most": policy.max_values}
        connection.execute("delete from ops.series_minutes where minute >= %(first)s and minute < %(end)s", span)
        connection.execute(_counting(policy.dimensions), {**span, "no_reason": NO_REASON})


def roll_up(connection: Connection, first: int, last: int) -> None:
    """Sum the calm minutes of the hours that [first, last] touches; safe to repeat."""
    hours = {"first": instant(first // 60 * 60), "end": instant(last // 60 * 60 + 60)}
    with connection.transaction():
        connection.execute("delete from ops.series_hours where hour >= %(first)s and hour < %(end)s", hours)
        connection.execute(
            """
            with calm as (
                select *, date_trunc('hour', minute) as hour from ops.series_minutes s
                where minute >= %(first)s and minute < %(end)s and not exists (
                    select 1 from ops.anomalies a
                    where s.minute >= a.started_at and s.minute < coalesce(a.ended_at, 'infinity')
                    and not a.is_new_level)
            ), spans as (
                select hour, count(*) as minutes from calm where dimension = 'all' group by hour
            ), reasons as (
                select hour, dimension, value, jsonb_object_agg(reason, n) as declines from (
                    select hour, dimension, value, reason, sum(n::bigint) as n
                    from calm, jsonb_each_text(declines) as entry (reason, n) group by 1, 2, 3, 4) as one
                group by 1, 2, 3
            )
            insert into ops.series_hours
            select c.hour, c.dimension, c.value, s.minutes, sum(c.attempts), sum(c.approved), sum(c.log_latency),
                sum(c.log_latency_squares), coalesce(r.declines, '{}')
            from calm c join spans s using (hour) left join reasons r using (hour, dimension, value)
            group by c.hour, c.dimension, c.value, s.minutes, r.declines
            """,
            hours,
        )


def rows(connection: Connection, first: int, last: int) -> list[tuple[int, Key, Count]]:
    """The series of the minutes [first, last]."""
    found = connection.execute(
        "select extract(epoch from minute)::bigint / 60, dimension, value, attempts, approved, log_latency, "
        "log_latency_squares, declines from ops.series_minutes where minute between %s and %s",
        [instant(first), instant(last)],
    )
    return [(int(minute), Key(dimension, value), Count(*sums)) for minute, dimension, value, *sums in found]


def history(connection: Connection, before: int, days: int) -> list[HourRow]:
    """The series by hour, for hours that were over at this minute."""
    found = connection.execute(
        "select extract(epoch from hour)::bigint / 3600, dimension, value, minutes, attempts, approved, log_latency, "
        "log_latency_squares, declines from ops.series_hours where hour >= %s and hour < %s",
        [instant(before - days * 1440), instant(before // 60 * 60)],
    )
    return [
        (int(hour), Key(dimension, value), minutes, Count(*sums)) for hour, dimension, value, minutes, *sums in found
    ]


def first_counted(connection: Connection) -> int:
    """The first minute of the series; the current one while there is none."""
    row = connection.execute("select coalesce(min(minute), now()) from ops.series_minutes").fetchone()
    return minute_of(row[0]) if row else 0


def judged_until(connection: Connection) -> int | None:
    """The last minute that was judged; None before the first."""
    row = connection.execute("select judged_until from ops.anomaly_progress").fetchone()
    return None if row is None else minute_of(row[0])


def incidents(connection: Connection, since: int) -> list[Incident]:
    """The anomalies that are open or ended at this minute or later."""
    found = connection.execute(
        "select id, metric, dimension, value, started_at, detected_minute, severity, expected, observed, attempts, "
        "reason, evidence, ended_at, is_new_level from ops.anomalies where ended_at is null or ended_at >= %s "
        "order by id",
        [instant(since)],
    )
    return [_incident(*row) for row in found]


def save(connection: Connection, minute: int, changed: Iterable[Incident]) -> None:
    """Keep what a judgement of this minute found, and that it was judged, in one transaction."""
    with connection.transaction():
        for one in changed:
            connection.execute(_INSERT if one.id is None else _UPDATE, _values(one))
        connection.execute(
            "insert into ops.anomaly_progress (judged_until) values (%s) on conflict (only_row) do update "
            "set judged_until = excluded.judged_until, judged_at = clock_timestamp()",
            [instant(minute)],
        )


def forget(connection: Connection, now: int, policy: SeriesPolicy) -> None:
    """Delete minutes and hours of the series that are older than they are kept."""
    connection.execute(
        "delete from ops.series_minutes where minute < %s", [instant(now - (policy.minutes_days + 1) * 1440)]
    )
    connection.execute("delete from ops.series_hours where hour < %s", [instant(now - policy.hours_days * 1440)])


def hourly_approval(connection: Connection, minute: int) -> float | None:
    """The share approved in the hour that ends with this minute; None without attempts."""
    row = connection.execute(
        "select sum(approved)::float8 / nullif(sum(attempts), 0) from ops.series_minutes "
        "where dimension = 'all' and minute > %s and minute <= %s",
        [instant(minute - 60), instant(minute)],
    ).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def _counting(dimensions: Sequence[Sequence[str]]) -> sql.Composed:
    """Counts every dimension in one pass over the payments."""
    columns = sorted({column for dimension in dimensions for column in dimension})
    sets = sql.SQL(", ").join(
        sql.SQL("(minute, {})").format(sql.SQL(", ").join(map(sql.Identifier, dimension))) for dimension in dimensions
    )
    # grouping() tells the sets apart: a bit per column that the set lacks, the last column lowest.
    cases: list[tuple[int, sql.Composable, sql.Composable]] = [
        (2 ** len(columns) - 1, sql.Literal(ALL.dimension), sql.Literal(ALL.value))
    ]
    for dimension in dimensions:
        bits = sum(2 ** (len(columns) - 1 - at) for at, column in enumerate(columns) if column not in dimension)
        parts = [sql.Identifier(column) for column in dimension]
        value = sql.SQL("concat_ws({}, {})").format(sql.Literal(SEPARATOR), sql.SQL(", ").join(parts))
        cases.append((bits, sql.Literal(SEPARATOR.join(dimension)), value))
    return sql.SQL(_COUNT).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        sets=sets,
        dimension=_case(cases, 1),
        value=_case(cases, 2),
    )


def _case(cases: Sequence[tuple[Any, ...]], at: int) -> sql.Composed:
    whens = [sql.SQL("when {} then {}").format(sql.Literal(case[0]), case[at]) for case in cases]
    return sql.SQL("case grouping_bits {} end").format(sql.SQL(" ").join(whens))


_INSERT = """
    insert into ops.anomalies (metric, dimension, value, started_at, detected_at, detected_minute, ended_at, severity,
        expected, observed, attempts, reason, is_new_level, evidence)
    values (%(metric)s, %(dimension)s, %(value)s, %(started)s, clock_timestamp(), %(detected)s, %(ended)s, %(severity)s,
        %(expected)s, %(observed)s, %(attempts)s, %(reason)s, %(new_level)s, %(evidence)s)
    on conflict (metric, dimension, value, started_at) do update set ended_at = excluded.ended_at,
        severity = excluded.severity, expected = excluded.expected, observed = excluded.observed,
        attempts = excluded.attempts, reason = excluded.reason, evidence = excluded.evidence,
        is_new_level = excluded.is_new_level, updated_at = clock_timestamp()
"""

_UPDATE = """
    update ops.anomalies set metric = %(metric)s, dimension = %(dimension)s, value = %(value)s,
        started_at = %(started)s, detected_minute = %(detected)s, ended_at = %(ended)s, severity = %(severity)s,
        expected = %(expected)s, observed = %(observed)s, attempts = %(attempts)s, reason = %(reason)s,
        is_new_level = %(new_level)s, evidence = %(evidence)s, updated_at = clock_timestamp()
    where id = %(id)s
"""

_COUNT = """
    with payments as (
        select date_trunc('minute', event_timestamp) as minute, {columns}, is_approved, amount_usd_minor,
            processing_latency_ms, coalesce(decline_reason, %(no_reason)s) as reason,
            ln(greatest(processing_latency_ms, 1)) as log_latency
        from live.payments where event_timestamp >= %(first)s and event_timestamp < %(end)s
    ), sets as (
        select minute, {columns}, grouping({columns}) as grouping_bits, count(*) as attempts,
            count(*) filter (where is_approved) as approved, coalesce(sum(amount_usd_minor), 0) as amount_usd_minor,
            sum(log_latency) as log_latency, sum(log_latency * log_latency) as log_latency_squares,
            sum(processing_latency_ms) as latency_ms,
            percentile_cont(0.95) within group (order by processing_latency_ms) as latency_p95_ms
        from payments group by grouping sets ((minute), {sets})
    ), declined as (
        select minute, {columns}, grouping({columns}) as grouping_bits, reason, count(*) as n
        from payments where not is_approved group by reason, grouping sets ((minute), {sets})
    ), series as (
        select *, {dimension} as dimension, {value} as value from sets
    ), reasons as (
        select minute, {dimension} as dimension, {value} as value, jsonb_object_agg(reason, n) as declines
        from declined group by 1, 2, 3
    ), watched as (
        select dimension, value from (
            select dimension, value,
                row_number() over (partition by dimension order by sum(attempts) desc, value) as rank
            from series group by dimension, value) as ranked
        where rank <= %(most)s
    )
    insert into ops.series_minutes
    select minute, dimension, value, attempts, approved, amount_usd_minor, log_latency, log_latency_squares, latency_ms,
        latency_p95_ms, coalesce(declines, '{{}}'), %(is_final)s
    from series join watched using (dimension, value) left join reasons using (minute, dimension, value)
"""


def _incident(
    number: int,
    metric: str,
    dimension: str,
    value: str,
    started: datetime,
    detected: datetime,
    severity: str,
    expected: float,
    observed: float,
    attempts: int,
    reason: str,
    evidence: dict[str, Any],
    ended: datetime | None,
    is_new_level: bool,
) -> Incident:
    return Incident(
        metric,
        Key(dimension, value),
        minute_of(started),
        minute_of(detected),
        severity,
        expected,
        observed,
        attempts,
        reason,
        evidence,
        None if ended is None else minute_of(ended),
        is_new_level,
        number,
    )


def _values(one: Incident) -> dict[str, Any]:
    return {
        "id": one.id,
        "metric": one.metric,
        "dimension": one.key.dimension,
        "value": one.key.value,
        "started": instant(one.started),
        "detected": instant(one.detected),
        "ended": None if one.ended is None else instant(one.ended),
        "severity": one.severity,
        "expected": one.expected,
        "observed": one.observed,
        "attempts": one.attempts,
        "reason": one.reason,
        "new_level": one.is_new_level,
        "evidence": Jsonb(one.evidence, dumps=json.dumps),
    }
