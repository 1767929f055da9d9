with

hours as (
    {{ merged_hourly('geography_hours', ref('int_geography__counted_hourly')) }}
)

select
    issuer_country,
    min(hour) as first_seen_hour,
    max(hour) as last_seen_hour,
    sum(attempts)::bigint as attempts
from hours
group by issuer_country
