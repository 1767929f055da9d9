{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='hour',
    on_schema_change='append_new_columns',
    full_refresh=false,
    post_hook='{{ forget_hours_that_left(this) }}',
    indexes=[{'columns': ['hour', 'merchant_segment', 'currency'], 'unique': true}]
) }}

with

hours_to_count as (
    {{ hours_to_count(this) }}
)

select
    hours_to_count.hour,
    counted.merchant_segment,
    counted.currency,
    counted.attempts,
    counted.approved,
    counted.declined,
    counted.first_attempts,
    counted.first_attempts_approved,
    counted.amount_minor,
    counted.approved_amount_minor,
    counted.amount_usd_minor,
    counted.approved_amount_usd_minor,
    counted.fee_minor,
    counted.latency_ms,
    counted.high_risk,
    counted.late,
    hours_to_count.version
from hours_to_count
-- One index scan per hour; a plain join would read all of history.
cross join lateral (
    select
        merchant_segment,
        currency,
        count(*) as attempts,
        count(*) filter (where is_approved) as approved,
        count(*) filter (where not is_approved) as declined,
        count(*) filter (where attempt_number = 1) as first_attempts,
        count(*) filter (where attempt_number = 1 and is_approved) as first_attempts_approved,
        sum(amount_minor)::bigint as amount_minor,
        coalesce(sum(amount_minor) filter (where is_approved), 0)::bigint as approved_amount_minor,
        coalesce(sum(amount_usd_minor), 0)::bigint as amount_usd_minor,
        coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint as approved_amount_usd_minor,
        sum(fee_minor)::bigint as fee_minor,
        sum(processing_latency_ms)::bigint as latency_ms,
        count(*) filter (where risk_tier = 'HIGH') as high_risk,
        count(*) filter (where is_late) as late
    from {{ ref('stg_payments') }}
    where event_timestamp >= hours_to_count.hour and event_timestamp < hours_to_count.hour + interval '1 hour'
    group by merchant_segment, currency
) as counted
