with

declines as (
    {{ merged_hourly('decline_hours', ref('int_declines__counted_hourly')) }}
),

decline_reasons as (
    select * from {{ ref('decline_reasons') }}
),

summed as (
    select
        hour,
        decline_reason,
        processor,
        merchant_segment,
        card_network,
        sum(declines)::bigint as declines,
        sum(amount_usd_minor)::bigint as amount_usd_minor,
        bool_and(is_from_batch) as is_from_batch
    from declines
    group by hour, decline_reason, processor, merchant_segment, card_network
)

select
    summed.hour,
    summed.decline_reason,
    coalesce(decline_reasons.kind, 'unknown') as kind,
    summed.processor,
    summed.merchant_segment,
    summed.card_network,
    summed.declines,
    {{ cents_to_usd('summed.amount_usd_minor') }} as amount_usd,
    (summed.amount_usd_minor * decline_reasons.recovery_rate / 100)::numeric(20, 5) as recoverable_amount_usd,
    summed.is_from_batch
from summed
left join decline_reasons on summed.decline_reason = decline_reasons.decline_reason
