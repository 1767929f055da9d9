with

windows as (
    select 'last_hour' as kpi_window, date_trunc('minute', now() - interval '1 hour', 'UTC') as window_start
    union all
    select 'last_24_hours', date_trunc('minute', now() - interval '24 hours', 'UTC')
    union all
    select 'last_7_days', date_trunc('minute', now() - interval '168 hours', 'UTC')
    union all
    select 'all_time', null::timestamptz
)

select
    kpi_window,
    window_start,
    coalesce(window_start, '-infinity') as reads_from,
    coalesce(date_trunc('hour', window_start + interval '59 minutes', 'UTC'), '-infinity') as first_whole_hour
from windows
