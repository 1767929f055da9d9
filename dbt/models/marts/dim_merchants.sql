with

hours as (
    {{ merged_hourly('merchant_hours', ref('int_merchants__counted_hourly')) }}
)

select
    merchant_id,
    (array_agg(merchant_segment order by hour desc, attempts desc, merchant_segment))[1] as merchant_segment,
    (array_agg(merchant_country order by hour desc, attempts desc, merchant_country))[1] as merchant_country,
    min(hour) as first_seen_hour,
    max(hour) as last_seen_hour,
    sum(attempts)::bigint as attempts
from hours
group by merchant_id
