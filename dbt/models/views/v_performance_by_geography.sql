with

geography as (
    {{ merged_hourly('geography_hours', ref('int_geography__counted_hourly')) }}
)

select
    geography.hour,
    geography.merchant_country,
    geography.issuer_country,
    geography.is_cross_border,
    geography.merchant_segment,
    {{ outcome_and_money('geography') }}
from geography
