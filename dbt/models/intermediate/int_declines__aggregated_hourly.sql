{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='hour',
    on_schema_change='append_new_columns',
    full_refresh=false,
    post_hook='{{ forget_hours_that_left(this) }}',
    indexes=[{'columns': ['hour', 'decline_reason'], 'unique': true}]
) }}

with

hours_to_count as (
    {{ hours_to_count(this) }}
)

select
    hours_to_count.hour,
    counted.decline_reason,
    counted.declines,
    counted.amount_usd_minor,
    hours_to_count.version
from hours_to_count
-- One index scan per hour; a plain join would read all of history.
cross join lateral (
    select
        coalesce(decline_reason, 'unstated') as decline_reason,
        count(*) as declines,
        coalesce(sum(amount_usd_minor), 0)::bigint as amount_usd_minor
    from {{ ref('stg_payments') }}
    where
        event_timestamp >= hours_to_count.hour and event_timestamp < hours_to_count.hour + interval '1 hour'
        and not is_approved
    group by coalesce(decline_reason, 'unstated')
) as counted
