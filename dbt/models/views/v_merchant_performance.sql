with

merchants as (
    {{ merged_hourly('merchant_hours', ref('int_merchants__counted_hourly')) }}
)

select
    merchants.hour,
    merchants.merchant_id,
    merchants.merchant_segment,
    merchants.merchant_country,
    {{ outcome_and_money('merchants') }},
    {{ cents_to_usd('(merchants.approved_amount_usd_minor - merchants.fee_usd_minor)') }} as net_usd
from merchants
