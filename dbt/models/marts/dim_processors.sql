with

hours as (
    {{ merged_hourly('solution_hours', ref('int_solutions__counted_hourly')) }}
)

select
    processor,
    min(hour) as first_seen_hour,
    max(hour) as last_seen_hour,
    sum(attempts)::bigint as attempts
from hours
group by processor
