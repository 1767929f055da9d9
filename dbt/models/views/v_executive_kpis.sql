with

windows as (
    select * from {{ ref('int_kpi_windows') }}
),

totals as (
    select * from {{ ref('int_payments__totalled_hourly') }}
),

progress as (
    select
        max(newest_event_at) as newest_event_at,
        max(committed_at) as data_through,
        (array_agg(batch_id order by committed_at desc))[1] as last_batch_id
    from {{ source('live', 'progress') }}
),

hours as materialized (
    {{ trusted_hours(ref('int_payments__totalled_hourly')) }}
),

batch_layer as (
    select max(hour) + interval '1 hour' as batch_layer_through
    from hours
    where is_trusted and hour < coalesce((select min(hour) from hours where not is_trusted), 'infinity')
),

hours_by_minute as (
    {{ hours_by_minute('hours', 'windows') }}
),

minutes as materialized (
    select
        hours_by_minute.hour,
        hours_by_minute.is_pending,
        counted.*
    from hours_by_minute
    cross join lateral (
        select
            minute,
            sum(attempts)::bigint as attempts,
            sum(approved)::bigint as approved,
            sum(first_attempts)::bigint as first_attempts,
            sum(first_attempts_approved)::bigint as first_attempts_approved,
            sum(amount_usd_minor)::bigint as amount_usd_minor,
            sum(approved_amount_usd_minor)::bigint as approved_amount_usd_minor,
            sum(latency_ms)::bigint as latency_ms,
            sum(high_risk)::bigint as high_risk,
            sum(late)::bigint as late
        from {{ source('live', 'payment_minutes') }}
        where minute >= hours_by_minute.starts_at and minute < hours_by_minute.hour + interval '1 hour'
        group by minute
    ) as counted
),

pieces as (
    select
        windows.kpi_window,
        totals.attempts,
        totals.approved,
        totals.first_attempts,
        totals.first_attempts_approved,
        totals.amount_usd_minor,
        totals.approved_amount_usd_minor,
        totals.latency_ms,
        totals.high_risk,
        totals.late
    from hours
    inner join totals on hours.hour = totals.hour
    inner join windows on hours.hour >= windows.first_whole_hour
    where hours.is_trusted
    union all
    select
        windows.kpi_window,
        minutes.attempts,
        minutes.approved,
        minutes.first_attempts,
        minutes.first_attempts_approved,
        minutes.amount_usd_minor,
        minutes.approved_amount_usd_minor,
        minutes.latency_ms,
        minutes.high_risk,
        minutes.late
    from windows
    inner join minutes
        on minutes.minute >= windows.reads_from
        and (minutes.is_pending or minutes.hour < windows.first_whole_hour)
),

summed as (
    select
        kpi_window,
        sum(attempts)::bigint as attempts,
        sum(approved)::bigint as approved,
        sum(first_attempts)::bigint as first_attempts,
        sum(first_attempts_approved)::bigint as first_attempts_approved,
        sum(amount_usd_minor)::bigint as amount_usd_minor,
        sum(approved_amount_usd_minor)::bigint as approved_amount_usd_minor,
        sum(latency_ms)::bigint as latency_ms,
        sum(high_risk)::bigint as high_risk,
        sum(late)::bigint as late
    from pieces
    group by kpi_window
),

filled as (
    select
        windows.kpi_window,
        windows.window_start,
        coalesce(summed.attempts, 0) as attempts,
        coalesce(summed.approved, 0) as approved,
        coalesce(summed.first_attempts, 0) as first_attempts,
        coalesce(summed.first_attempts_approved, 0) as first_attempts_approved,
        coalesce(summed.amount_usd_minor, 0) as amount_usd_minor,
        coalesce(summed.approved_amount_usd_minor, 0) as approved_amount_usd_minor,
        coalesce(summed.latency_ms, 0) as latency_ms,
        coalesce(summed.high_risk, 0) as high_risk,
        coalesce(summed.late, 0) as late
    from windows
    left join summed on windows.kpi_window = summed.kpi_window
)

select
    filled.kpi_window,
    filled.window_start,
    filled.attempts,
    filled.approved,
    filled.attempts - filled.approved as declined,
    {{ share('filled.approved', 'filled.attempts') }} as approval_rate,
    filled.first_attempts,
    filled.first_attempts_approved,
    {{ share('filled.first_attempts_approved', 'filled.first_attempts') }} as first_attempt_approval_rate,
    {{ cents_to_usd('filled.amount_usd_minor') }} as amount_usd,
    {{ cents_to_usd('filled.approved_amount_usd_minor') }} as approved_amount_usd,
    {{ cents_to_usd('(filled.amount_usd_minor - filled.approved_amount_usd_minor)') }} as declined_amount_usd,
    {{ cents_to_usd('filled.amount_usd_minor::numeric / nullif(filled.attempts, 0)') }} as average_ticket_usd,
    (filled.latency_ms::numeric / nullif(filled.attempts, 0))::numeric(14, 3) as average_latency_ms,
    filled.high_risk,
    {{ share('filled.high_risk', 'filled.attempts') }} as high_risk_share,
    filled.late,
    progress.newest_event_at,
    progress.data_through,
    progress.last_batch_id,
    batch_layer.batch_layer_through
from filled
cross join progress
cross join batch_layer
