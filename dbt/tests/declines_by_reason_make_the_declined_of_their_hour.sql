-- Two countings of the same detail at the same version must agree, in number and in value.
with

by_reason as (
    select
        hour,
        version,
        sum(declines) as declines,
        sum(amount_usd_minor) as amount_usd_minor
    from {{ ref('int_declines__aggregated_hourly') }}
    group by hour, version
)

select
    totals.hour,
    totals.declined,
    by_reason.declines
from {{ ref('int_payments__totalled_hourly') }} as totals
inner join by_reason on totals.hour = by_reason.hour and totals.version = by_reason.version
where
    totals.declined <> by_reason.declines
    or totals.amount_usd_minor - totals.approved_amount_usd_minor <> by_reason.amount_usd_minor
