-- Every cube tells the same attempts apart by something else: per hour their totals must be equal.
with

totals as (
    {% for cube in ['solution_hours', 'geography_hours', 'merchant_hours', 'three_ds_hours', 'risk_hours', 'financial_hours'] -%}
    select
        '{{ cube }}' as cube,
        hour,
        sum(attempts) as attempts,
        sum(approved) as approved,
        sum(amount_usd_minor) as amount_usd_minor,
        sum(approved_amount_usd_minor) as approved_amount_usd_minor,
        sum(fee_usd_minor) as fee_usd_minor
    from {{ source('live', cube) }}
    where hour > now() - interval '2 days'
    group by hour
    {{ 'union all' if not loop.last }}
    {% endfor -%}
    union all
    select
        'latency_hours',
        hour,
        sum(attempts),
        null,
        null,
        null,
        null
    from {{ source('live', 'latency_hours') }}
    where hour > now() - interval '2 days'
    group by hour
)

select
    hour,
    count(distinct cube) as cubes,
    min(attempts) as least_attempts,
    max(attempts) as most_attempts
from totals
group by hour
having
    count(distinct cube) < 7
    or min(attempts) <> max(attempts)
    or min(approved) <> max(approved)
    or min(amount_usd_minor) <> max(amount_usd_minor)
    or min(approved_amount_usd_minor) <> max(approved_amount_usd_minor)
    or min(fee_usd_minor) <> max(fee_usd_minor)
