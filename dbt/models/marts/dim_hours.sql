select
    hour,
    (hour at time zone 'UTC')::date as day,
    extract(isodow from hour at time zone 'UTC')::integer as day_of_week,
    extract(hour from hour at time zone 'UTC')::integer as hour_of_day,
    extract(isodow from hour at time zone 'UTC') >= 6 as is_weekend
from (
    select generate_series(
        coalesce((select min(payment_hours.hour) from {{ source('live', 'payment_hours') }} as payment_hours), now()),
        now(),
        interval '1 hour'
    ) as hour
) as hours
