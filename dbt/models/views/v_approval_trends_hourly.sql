with

batch as (
    select * from {{ ref('int_payments__aggregated_hourly') }}
),

payment_hours as (
    select * from {{ source('live', 'payment_hours') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

hours as (
    {{ trusted_hours(ref('int_payments__aggregated_hourly')) }}
),

from_batch as (
    select
        batch.hour,
        batch.merchant_segment,
        batch.currency,
        batch.attempts,
        batch.approved,
        batch.first_attempts,
        batch.first_attempts_approved,
        batch.amount_minor,
        batch.approved_amount_minor,
        batch.amount_usd_minor,
        batch.approved_amount_usd_minor,
        batch.latency_ms,
        true as is_from_batch
    from batch
    inner join payment_hours on batch.hour = payment_hours.hour and batch.version = payment_hours.version
),

from_minutes as (
    select
        hours.hour,
        counted.*,
        false as is_from_batch
    from hours
    cross join lateral (
        select
            merchant_segment,
            currency,
            sum(attempts)::bigint as attempts,
            sum(approved)::bigint as approved,
            sum(first_attempts)::bigint as first_attempts,
            sum(first_attempts_approved)::bigint as first_attempts_approved,
            sum(amount_minor)::bigint as amount_minor,
            sum(approved_amount_minor)::bigint as approved_amount_minor,
            sum(amount_usd_minor)::bigint as amount_usd_minor,
            sum(approved_amount_usd_minor)::bigint as approved_amount_usd_minor,
            sum(latency_ms)::bigint as latency_ms
        from {{ source('live', 'payment_minutes') }}
        where minute >= hours.hour and minute < hours.hour + interval '1 hour'
        group by merchant_segment, currency
    ) as counted
    where not hours.is_trusted
),

merged as (
    select * from from_batch
    union all
    select * from from_minutes
)

select
    merged.hour,
    merged.merchant_segment,
    merged.currency,
    merged.attempts,
    merged.approved,
    merged.attempts - merged.approved as declined,
    {{ share('merged.approved', 'merged.attempts') }} as approval_rate,
    merged.first_attempts,
    merged.first_attempts_approved,
    {{ share('merged.first_attempts_approved', 'merged.first_attempts') }} as first_attempt_approval_rate,
    {{ minor_to_units('merged.amount_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as amount,
    {{ minor_to_units('merged.approved_amount_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as approved_amount,
    {{ cents_to_usd('merged.amount_usd_minor') }} as amount_usd,
    {{ cents_to_usd('merged.approved_amount_usd_minor') }} as approved_amount_usd,
    (merged.latency_ms::numeric / nullif(merged.attempts, 0))::numeric(14, 3) as average_latency_ms,
    merged.is_from_batch
from merged
left join currencies on merged.currency = currencies.currency
