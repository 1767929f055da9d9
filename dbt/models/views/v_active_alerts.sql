with

anomalies as (
    select * from {{ source('ops', 'anomalies') }}
    where ended_at is null
),

drifts as (
    select * from {{ source('ops', 'drift') }}
    where ended_at is null
),

batches as (
    select * from {{ source('ops', 'batches') }}
    where committed_at > now() - interval '1 hour'
),

progress as (
    select * from {{ source('live', 'progress') }}
),

payment_minutes as (
    select * from {{ source('live', 'payment_minutes') }}
    where minute >= date_trunc('minute', now() - interval '1 hour', 'UTC')
),

approval as (
    select
        min(minute) as started_at,
        sum(approved)::double precision / nullif(sum(attempts), 0) as observed
    from payment_minutes
),

newest as (
    select
        max(committed_at) as committed_at,
        extract(epoch from now() - max(committed_at))::double precision as observed
    from progress
),

refused as (
    select
        min(committed_at) filter (where dead_letters > 0) as started_at,
        max(committed_at) filter (where dead_letters > 0) as detected_at,
        sum(dead_letters)::double precision / nullif(sum(records), 0) as observed
    from batches
)

select
    'anomaly:' || id as alert_id,
    'anomaly' as kind,
    severity,
    started_at,
    detected_at,
    metric,
    dimension,
    value,
    observed,
    expected,
    reason
from anomalies
union all
select
    'drift:' || id,
    'drift',
    'warning',
    started_at,
    detected_at,
    kind || '_drift',
    'model',
    model,
    value,
    null,
    reason
from drifts
union all
select
    'approval_rate:all',
    'approval_rate',
    case when observed < {{ var('approval_rate_critical_below') }} then 'critical' else 'warning' end,
    started_at,
    now(),
    'approval_rate',
    'all',
    'all',
    observed,
    {{ var('approval_rate_warning_below') }},
    'Of the attempts of the last hour ' || round(100 * observed::numeric, 1) || ' % were approved, below '
    || round(100 * {{ var('approval_rate_warning_below') }}, 1) || ' %.'
from approval
where observed < {{ var('approval_rate_warning_below') }}
union all
select
    'freshness:all',
    'freshness',
    case when observed > {{ var('stale_critical_after_seconds') }} then 'critical' else 'warning' end,
    committed_at,
    now(),
    'data_age_seconds',
    'all',
    'all',
    observed,
    {{ var('stale_warning_after_seconds') }},
    'The newest batch was committed ' || round(observed::numeric) || ' s ago: nothing comes in, or the stream is held up.'
from newest
where observed > {{ var('stale_warning_after_seconds') }}
union all
select
    'dead_letters:all',
    'dead_letters',
    case when observed > {{ var('dead_letters_critical_above') }} then 'critical' else 'warning' end,
    started_at,
    detected_at,
    'dead_letter_share',
    'all',
    'all',
    observed,
    {{ var('dead_letters_warning_above') }},
    'Of the messages of the last hour ' || round(100 * observed::numeric, 1) || ' % were refused, above '
    || round(100 * {{ var('dead_letters_warning_above') }}, 1) || ' %.'
from refused
where observed > {{ var('dead_letters_warning_above') }}
