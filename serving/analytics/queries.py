"""The SQL of the analytics endpoints, but for the reports, which serving.analytics.reports.composer writes."""

from typing import LiteralString

KPIS: LiteralString = "select * from gold.v_executive_kpis"

KPI: LiteralString = "select * from gold.v_executive_kpis where kpi_window = %(window)s"

FRESHNESS: LiteralString = """
select newest_event_at, data_through
from gold.v_executive_kpis
where kpi_window = 'last_hour'
"""

# What dbt wrote is told by Postgres' own counts of rows written, some seconds after the fact at most: every table of
# the batch layer counts, in whatever order dbt fills them.
PROGRESS: LiteralString = """
select
    newest_event_at,
    data_through,
    last_batch_id,
    (
        select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint
        from pg_stat_user_tables
        where schemaname = 'gold'
    ) as batch_layer_writes
from ops.v_progress
"""

ALERTS: LiteralString = """
select *
from gold.v_active_alerts
where (cardinality(%(kinds)s::text[]) = 0 or kind = any(%(kinds)s))
  and (cardinality(%(severities)s::text[]) = 0 or severity = any(%(severities)s))
order by severity = 'critical' desc, started_at desc nulls last, alert_id
limit %(limit)s
"""

DECLINES: LiteralString = """
select *
from gold.v_top_decline_reasons
where kpi_window = %(window)s
order by rank, decline_reason
limit %(limit)s
"""

# Rows are summed to the grain asked for; '' stands for "added up", so that the page cursor compares plain text.
TRENDS: LiteralString = """
with hourly as (
    select
        *,
        case when %(by_segment)s then merchant_segment else '' end as segment_key,
        case when %(by_currency)s then currency else '' end as currency_key
    from gold.v_approval_trends_hourly
    where hour >= %(start)s
      and hour < %(end)s
      and (%(segment)s::text is null or lower(merchant_segment) = lower(%(segment)s))
      and (%(currency)s::text is null or currency = %(currency)s)
),
summed as (
    select
        hour,
        segment_key,
        currency_key,
        sum(attempts)::bigint as attempts,
        sum(approved)::bigint as approved,
        sum(declined)::bigint as declined,
        sum(first_attempts)::bigint as first_attempts,
        sum(first_attempts_approved)::bigint as first_attempts_approved,
        sum(amount) as amount,
        sum(approved_amount) as approved_amount,
        sum(amount_usd) as amount_usd,
        sum(approved_amount_usd) as approved_amount_usd,
        sum(average_latency_ms * attempts) / nullif(sum(attempts), 0) as average_latency_ms,
        bool_and(is_from_batch) as is_from_batch
    from hourly
    group by hour, segment_key, currency_key
)
select
    hour,
    coalesce(nullif(segment_key, ''), %(segment)s::text) as merchant_segment,
    coalesce(nullif(currency_key, ''), %(currency)s::text) as currency,
    attempts,
    approved,
    declined,
    round(approved::numeric / nullif(attempts, 0), 6) as approval_rate,
    first_attempts,
    first_attempts_approved,
    case when %(by_currency)s or %(currency)s::text is not null then amount end as amount,
    case when %(by_currency)s or %(currency)s::text is not null then approved_amount end as approved_amount,
    round(amount_usd, 2) as amount_usd,
    round(approved_amount_usd, 2) as approved_amount_usd,
    round(average_latency_ms, 2) as average_latency_ms,
    is_from_batch
from summed
where (hour, segment_key, currency_key) > (%(after_hour)s, %(after_segment)s::text, %(after_currency)s::text)
order by hour, segment_key, currency_key
limit %(limit)s
"""
