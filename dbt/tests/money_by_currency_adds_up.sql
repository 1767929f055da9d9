-- Per hour and currency, in its own minor units: the minutes, the hours and the declines must tell of the same money.
with

hours as (
    select
        hour,
        currency,
        sum(attempts) as attempts,
        sum(attempts - approved) as declined,
        sum(amount_minor) as amount_minor,
        sum(amount_minor - approved_amount_minor) as declined_amount_minor,
        sum(fee_minor) as fee_minor
    from {{ source('live', 'financial_hours') }}
    where hour > now() - interval '2 days'
    group by hour, currency
),

minutes as (
    select
        date_trunc('hour', minute, 'UTC') as hour,
        currency,
        sum(attempts) as attempts,
        sum(attempts - approved) as declined,
        sum(amount_minor) as amount_minor,
        sum(amount_minor - approved_amount_minor) as declined_amount_minor,
        sum(fee_minor) as fee_minor
    from {{ source('live', 'payment_minutes') }}
    where minute >= date_trunc('hour', now() - interval '2 days', 'UTC') + interval '1 hour'
    group by 1, 2
),

declines as (
    select
        hour,
        currency,
        sum(declines) as declined,
        sum(amount_minor) as declined_amount_minor
    from {{ source('live', 'decline_hours') }}
    where hour > now() - interval '2 days'
    group by hour, currency
)

select
    hour,
    currency,
    hours.amount_minor,
    minutes.amount_minor as amount_minor_by_minute,
    declines.declined_amount_minor
from hours
full join minutes using (hour, currency)
full join declines using (hour, currency)
where
    (hours.attempts, hours.declined, hours.amount_minor, hours.declined_amount_minor, hours.fee_minor)
    is distinct from
    (minutes.attempts, minutes.declined, minutes.amount_minor, minutes.declined_amount_minor, minutes.fee_minor)
    or hours.declined <> coalesce(declines.declined, 0)
    or hours.declined_amount_minor <> coalesce(declines.declined_amount_minor, 0)
