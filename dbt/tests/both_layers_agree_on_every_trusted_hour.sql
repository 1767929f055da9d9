-- The batch layer counts the detail, the stream keeps the minute cube: over an unchanged hour they must be equal.
with

trusted as (
    select totals.*
    from {{ ref('int_payments__totalled_hourly') }} as totals
    inner join {{ source('live', 'payment_hours') }} as payment_hours
        on totals.hour = payment_hours.hour and totals.version = payment_hours.version
    where totals.hour > now() - interval '2 days'
)

select
    trusted.hour,
    trusted.attempts,
    cube.attempts as attempts_in_cube
from trusted
cross join lateral (
    select
        sum(attempts) as attempts,
        sum(approved) as approved,
        sum(amount_usd_minor) as amount_usd_minor
    from {{ source('live', 'payment_minutes') }}
    where minute >= trusted.hour and minute < trusted.hour + interval '1 hour'
) as cube
where (trusted.attempts, trusted.approved, trusted.amount_usd_minor)
    is distinct from (cube.attempts, cube.approved, cube.amount_usd_minor)
