{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='hour',
    on_schema_change='append_new_columns',
    full_refresh=false,
    post_hook='{{ forget_hours_that_left(this) }}',
    indexes=[{'columns': ['hour'], 'unique': true}]
) }}

with

hours as (
    select * from {{ ref('int_payments__aggregated_hourly') }}
)

select
    hours.hour,
    sum(hours.attempts)::bigint as attempts,
    sum(hours.approved)::bigint as approved,
    sum(hours.declined)::bigint as declined,
    sum(hours.first_attempts)::bigint as first_attempts,
    sum(hours.first_attempts_approved)::bigint as first_attempts_approved,
    sum(hours.amount_usd_minor)::bigint as amount_usd_minor,
    sum(hours.approved_amount_usd_minor)::bigint as approved_amount_usd_minor,
    sum(hours.latency_ms)::bigint as latency_ms,
    sum(hours.high_risk)::bigint as high_risk,
    sum(hours.late)::bigint as late,
    hours.version
from hours
{%- if is_incremental() %}
where not exists (
    select 1
    from {{ this }} as totalled
    where totalled.hour = hours.hour and totalled.version = hours.version
)
{%- endif %}
group by hours.hour, hours.version
