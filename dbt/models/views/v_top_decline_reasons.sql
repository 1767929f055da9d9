with

windows as (
    select * from {{ ref('int_kpi_windows') }}
),

batch as (
    select * from {{ ref('int_declines__aggregated_hourly') }}
),

decline_reasons as (
    select * from {{ ref('decline_reasons') }}
),

hours as materialized (
    {{ trusted_hours(ref('int_declines__aggregated_hourly')) }}
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
            decline_reason,
            sum(declines)::bigint as declines,
            sum(amount_usd_minor)::bigint as amount_usd_minor
        from {{ source('live', 'decline_minutes') }}
        where minute >= hours_by_minute.starts_at and minute < hours_by_minute.hour + interval '1 hour'
        group by minute, decline_reason
    ) as counted
),

pieces as (
    select
        windows.kpi_window,
        batch.decline_reason,
        batch.declines,
        batch.amount_usd_minor
    from hours
    inner join batch on hours.hour = batch.hour
    inner join windows on hours.hour >= windows.first_whole_hour
    where hours.is_trusted
    union all
    select
        windows.kpi_window,
        minutes.decline_reason,
        minutes.declines,
        minutes.amount_usd_minor
    from windows
    inner join minutes
        on minutes.minute >= windows.reads_from
        and (minutes.is_pending or minutes.hour < windows.first_whole_hour)
),

summed as (
    select
        kpi_window,
        decline_reason,
        sum(declines)::bigint as declines,
        sum(amount_usd_minor)::bigint as amount_usd_minor
    from pieces
    group by kpi_window, decline_reason
)

select
    summed.kpi_window,
    summed.decline_reason,
    coalesce(decline_reasons.kind, 'unknown') as kind,
    decline_reasons.meaning,
    summed.declines,
    {{ share('summed.declines', 'sum(summed.declines) over (partition by summed.kpi_window)') }} as share_of_declines,
    row_number() over (
        partition by summed.kpi_window
        order by summed.declines desc, summed.decline_reason asc
    )::integer as rank,
    {{ cents_to_usd('summed.amount_usd_minor') }} as amount_usd,
    decline_reasons.recovery_rate,
    (summed.amount_usd_minor * decline_reasons.recovery_rate / 100)::numeric(20, 2) as recoverable_amount_usd,
    decline_reasons.wait_minutes
from summed
left join decline_reasons on summed.decline_reason = decline_reasons.decline_reason
