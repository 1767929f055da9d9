"""Whether a finished run lost or doubled anything: every account compared with every other, to the event.

Each check is a query for what should not be there, so an empty answer is agreement and any row is evidence.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import psycopg

from tests.e2e import oracle
from tests.e2e.evidence import Sources, gather

EXAMPLES = 3


@dataclass(frozen=True)
class Check:
    """A sentence about what must not be, and the query that looks for it."""

    wrong: str
    query: str


def _hours(cube: str, sums: str, recounted: str, rows: str = "true") -> Check:
    return Check(
        f"hours of live.{cube} are not what a recount of live.payments gives",
        f"""with recount as (
            select date_trunc('hour', event_timestamp, 'UTC') as hour, {recounted} from live.payments
            where {rows} group by 1
        ), summed as (
            select hour, {sums} from live.{cube} group by 1
        )
        (table recount except table summed) union all (table summed except table recount)""",
    )


OUTCOME = (
    "sum(attempts), sum(approved), sum(amount_usd_minor)",
    "count(*), count(*) filter (where is_approved), coalesce(sum(amount_usd_minor), 0)",
)
SCORE = "transaction_id, event_time_ms, user_id, velocity_30m, score, risk_level, rules, revision"

ALWAYS = [
    Check(
        "messages of Kafka are not in Bronze",
        'select topic, "partition", "offset" from kafka anti join bronze using (topic, "partition", "offset")',
    ),
    Check(
        "rows of Bronze are not what Kafka holds",
        """select bronze.topic, bronze."partition", bronze."offset" from bronze
        left join kafka using (topic, "partition", "offset")
        where kafka.topic is null or kafka.value is distinct from bronze.value or kafka.key is distinct from bronze.key
        """,
    ),
    Check(
        "messages are in Bronze more than once",
        'select topic, "partition", "offset" from bronze group by all having count(*) > 1',
    ),
    Check(
        "messages have more than one place among Silver and the dead letters",
        """select topic, "partition", "offset" from (
            select topic, "partition", "offset" from silver union all select topic, "partition", "offset" from letters
        ) group by all having count(*) > 1""",
    ),
    Check(
        "rows of Silver or dead letters come from no message",
        """select topic, "partition", "offset" from (
            select topic, "partition", "offset" from silver union all select topic, "partition", "offset" from letters
        ) anti join kafka using (topic, "partition", "offset")""",
    ),
    Check(
        "messages are neither in Silver, nor dead letters, nor repetitions of a row in Silver",
        "select * from repetitions anti join silver using (topic, event_id, event_time_ms)",
    ),
    Check(
        "repetitions won over the message that came first",
        """select repetitions.* from repetitions join silver using (topic, event_id, event_time_ms)
        where repetitions."partition" = silver."partition" and repetitions."offset" < silver."offset" """,
    ),
    Check(
        "dead letters are not the bytes that Kafka holds",
        """select letters.topic, letters."partition", letters."offset" from letters
        join kafka using (topic, "partition", "offset")
        where kafka.value is distinct from letters.value or kafka.key is distinct from letters.key""",
    ),
    Check(
        "events are in Silver more than once",
        "select topic, event_id, event_time_ms from silver group by all having count(*) > 1",
    ),
    Check(
        "events of Silver are not the same in Postgres",
        'select topic, event_id, event_time_ms, "partition", "offset" from silver '
        'except select topic, event_id, event_time_ms, "partition", "offset" from live',
    ),
    Check(
        "events of Postgres are not the same in Silver",
        'select topic, event_id, event_time_ms, "partition", "offset" from live '
        'except select topic, event_id, event_time_ms, "partition", "offset" from silver',
    ),
    Check(
        "events were accepted that the ledger does not know as good",
        """select topic, event_id, event_time_ms from silver
        anti join (select * from ledger where not is_bad) using (topic, event_id, event_time_ms)""",
    ),
    Check(
        "messages carry an event more often than it was sent",
        """select topic, event_id, event_time_ms, count(*) from (
            select topic, event_id, event_time_ms from silver
            union all select topic, event_id, event_time_ms from repetitions
        ) as found join ledger using (topic, event_id, event_time_ms) group by all having count(*) > any_value(sent)
        """,
    ),
    Check(
        "dead letters are counted otherwise in Postgres than they lie in the lake (batch, topic, reason, count)",
        """(select batch_id, topic, reason, count(*) as letters from letters group by all
            except select batch_id, topic, reason, letters from counts)
        union all
        (select batch_id, topic, reason, letters from counts
            except select batch_id, topic, reason, count(*) from letters group by all)""",
    ),
    Check(
        "batches do not follow on each other (topic, partition, batch, first offset)",
        """select topic, "partition", batch_id, first from (
            select *, lag(last, 1, -1) over (partition by topic, "partition" order by first) as before from batches
        ) where first <> before + 1""",
    ),
    Check(
        "batches have other totals than their messages in the lake (batch)",
        """select batch_id from totals
        left join (select batch_id, count(*) as n from bronze group by all) as b using (batch_id)
        left join (select batch_id, topic, count(*) as n from silver group by all) as p
            on p.batch_id = totals.batch_id and p.topic = 'payments.transactions'
        left join (select batch_id, topic, count(*) as n from silver group by all) as t
            on t.batch_id = totals.batch_id and t.topic = 'ecommerce.transactions'
        left join (select batch_id, topic, count(*) as n from silver group by all) as m
            on m.batch_id = totals.batch_id and m.topic = 'customer.messages'
        where totals.records <> coalesce(b.n, 0) or totals.payments <> coalesce(p.n, 0)
            or totals.transactions <> coalesce(t.n, 0) or totals.messages <> coalesce(m.n, 0)
            or totals.records <> totals.payments + totals.transactions + totals.messages + totals.duplicates
                + totals.dead_letters""",
    ),
    Check(
        "purchases have no score, or more than one, in the lake",
        """select event_id, silver.event_time_ms, count(scores.transaction_id) from silver
        left join scores on scores.transaction_id = event_id and scores.event_time_ms = silver.event_time_ms
        where topic = 'ecommerce.transactions' group by all having count(scores.transaction_id) <> 1""",
    ),
    Check(
        "scores are not the same in the lake and in Postgres",
        f"""(select {SCORE} from scores except select {SCORE} from live_scores)
        union all (select {SCORE} from live_scores except select {SCORE} from scores)""",
    ),
    Check(
        "rows of Bronze name a batch that did not read them",
        """select bronze.topic, bronze."partition", bronze."offset", bronze.batch_id from bronze
        left join batches on batches.batch_id = bronze.batch_id and batches.topic = bronze.topic
            and batches."partition" = bronze."partition" and bronze."offset" between batches.first and batches.last
        where batches.batch_id is null""",
    ),
]

WHEN_ALL_WAS_SENT = [
    Check(
        "good events of the ledger are not in Postgres",
        """select topic, event_id, event_time_ms from ledger where not is_bad and sure > 0
        except select topic, event_id, event_time_ms from live""",
    ),
    Check(
        "events were sent more often than messages carry them",
        """select topic, event_id, event_time_ms, sure, count(found.topic) from ledger
        left join (
            select topic, event_id, event_time_ms from silver
            union all select topic, event_id, event_time_ms from repetitions
        ) as found using (topic, event_id, event_time_ms)
        where not is_bad group by all having count(found.topic) < sure""",
    ),
    Check(
        "bad events are not among the dead letters as often as they were sent (topic, kind, sent, found)",
        """with sent as (
            select topic, coalesce(reason_kinds.kind, ledger.kind) as kind, sum(sure) as n
            from ledger left join reason_kinds on ledger.kind = reason_kinds.reason where is_bad group by all
        ), found as (
            select topic, coalesce(kind, reason) as kind, count(*) as n
            from letters left join reason_kinds using (reason) group by all
        )
        select topic, kind, sent.n, found.n from sent full join found using (topic, kind)
        where sent.n is distinct from found.n""",
    ),
]
"""These hold only when the producer was not killed, for it writes an event down before it sends it."""

IN_POSTGRES = [
    Check(
        "customers, devices or merchants have another history than their purchases give",
        """(select user_id::text, count(*), sum(floor(amount * 100 + 0.5))::bigint, max(event_timestamp)
            from live.transactions group by 1
            except select user_id::text, transactions, amount_cents, last_at from live.customer_history)
        union all
        (select device_id, count(*), sum(floor(amount * 100 + 0.5))::bigint, max(event_timestamp)
            from live.transactions group by 1
            except select device_id, transactions, amount_cents, last_at from live.device_history)
        union all
        (select merchant, count(*), sum(floor(amount * 100 + 0.5))::bigint, max(event_timestamp)
            from live.transactions group by 1
            except select merchant, transactions, amount_cents, last_at from live.merchant_history)""",
    ),
    Check(
        "minutes of the payment cube are not what a recount of live.payments gives",
        """with recount as (
            select date_trunc('minute', event_timestamp, 'UTC') as minute, currency, merchant_segment,
                count(*) as attempts, count(*) filter (where is_approved) as approved,
                count(*) filter (where attempt_number = 1) as first_attempts,
                count(*) filter (where attempt_number = 1 and is_approved) as first_attempts_approved,
                sum(amount_minor)::bigint as amount_minor,
                coalesce(sum(amount_minor) filter (where is_approved), 0)::bigint as approved_amount_minor,
                coalesce(sum(amount_usd_minor), 0)::bigint as amount_usd_minor,
                coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint as approved_amount_usd_minor,
                sum(fee_minor)::bigint as fee_minor, sum(processing_latency_ms)::bigint as latency_ms,
                count(*) filter (where risk_tier = 'HIGH') as high_risk, count(*) filter (where is_late) as late
            from live.payments group by 1, 2, 3
        )
        (select * from recount except table live.payment_minutes)
        union all (table live.payment_minutes except select * from recount)""",
    ),
    Check(
        "minutes of the decline cube are not what a recount of live.payments gives",
        """with recount as (
            select date_trunc('minute', event_timestamp, 'UTC') as minute,
                coalesce(decline_reason, 'unstated') as decline_reason, currency, count(*) as declines,
                sum(amount_minor)::bigint as amount_minor,
                coalesce(sum(amount_usd_minor), 0)::bigint as amount_usd_minor
            from live.payments where not is_approved group by 1, 2, 3
        )
        (select * from recount except table live.decline_minutes)
        union all (table live.decline_minutes except select * from recount)""",
    ),
    Check(
        "hours with payments have no version",
        """select distinct date_trunc('hour', event_timestamp, 'UTC') from live.payments
        except select hour from live.payment_hours""",
    ),
    *(
        _hours(f"{name}_hours", *OUTCOME)
        for name in ("solution", "geography", "merchant", "three_ds", "risk", "financial")
    ),
    _hours("latency_hours", "sum(attempts)", "count(*)"),
    _hours(
        "retry_hours",
        "sum(retries), sum(recovered)",
        "count(*), count(*) filter (where is_approved)",
        "attempt_number > 1",
    ),
    _hours("decline_hours", "sum(declines), sum(amount_minor)", "count(*), sum(amount_minor)", "not is_approved"),
]


def reconcile(sources: Sources, *, all_was_sent: bool = True) -> list[str]:
    """What disagrees, in words; empty when all accounts agree.

    `all_was_sent` is to be False when a producer was killed: what its ledger names may then never have left it.
    """
    evidence = gather(sources)
    found = compare(evidence, all_was_sent=all_was_sent)
    with psycopg.connect(sources.database_url) as connection:
        found += [_said(check, connection.execute(check.query).fetchall()) for check in IN_POSTGRES]
        found.append(_kpi_difference(connection, evidence, all_was_sent))
    purchases = oracle.open_ledger(sources.ledger)
    if not all_was_sent:
        oracle.forget_what_never_arrived(purchases, sources.lake)
    found.append(oracle.wrong_scores(purchases, sources.lake))
    return [text for text in found if text]


def compare(evidence: duckdb.DuckDBPyConnection, *, all_was_sent: bool = True) -> list[str]:
    """The checks between ledger, Kafka, lake and the rows of Postgres, without its cubes and views."""
    checks = [*ALWAYS, *(WHEN_ALL_WAS_SENT if all_was_sent else [])]
    found = [_said(check, evidence.execute(check.query).fetchall()) for check in checks]
    return [text for text in found if text]


def _said(check: Check, rows: list[Any]) -> str:
    if not rows:
        return ""
    examples = "; ".join(", ".join(map(str, row)) for row in rows[:EXAMPLES])
    return f"{len(rows):,} {check.wrong}, such as {examples}"


def _kpi_difference(
    connection: psycopg.Connection[Any], evidence: duckdb.DuckDBPyConnection, all_was_sent: bool
) -> str:
    """Attempts and approvals on the gold KPI against the ledger; against Silver when the ledger names too much."""
    shown = connection.execute(
        "select attempts, approved from gold.v_executive_kpis where kpi_window = 'all_time'"
    ).fetchone()
    which = "ledger.sure > 0" if all_was_sent else "(topic, event_id, event_time_ms) in " + _IN_SILVER
    sent = evidence.execute(
        "select count(*), count(*) filter (is_approved) from ledger "
        f"where topic = 'payments.transactions' and not is_bad and {which}"
    ).fetchone()
    return "" if shown == sent else f"the KPI shows {shown} attempts and approvals, the ledger says {sent}"


_IN_SILVER = "(select (topic, event_id, event_time_ms) from silver)"
