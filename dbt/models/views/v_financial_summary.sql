with

amounts as (
    {{ merged_hourly('financial_hours', ref('int_financials__counted_hourly')) }}
),

declines as (
    {{ merged_hourly('decline_hours', ref('int_declines__counted_hourly')) }}
),

chargebacks as (
    select counted.*
    from {{ ref('int_chargebacks__counted_hourly') }} as counted
    inner join {{ source('live', 'payment_hours') }} as payment_hours
        on counted.hour = payment_hours.hour and counted.version = payment_hours.version
),

decline_reasons as (
    select * from {{ ref('decline_reasons') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

-- Laid one upon the other rather than joined, so that a reader's range of hours reaches all of them.
pieces as (
    select
        hour,
        currency,
        merchant_segment,
        attempts,
        approved,
        amount_minor,
        approved_amount_minor,
        fee_minor,
        amount_usd_minor,
        approved_amount_usd_minor,
        fee_usd_minor,
        false_declined_amount_usd_minor,
        0::bigint as soft_declined_amount_usd_minor,
        0::bigint as hard_declined_amount_usd_minor,
        0::numeric as recoverable_amount_usd_minor,
        null::bigint as chargebacks,
        null::bigint as chargeback_amount_usd_minor,
        is_from_batch
    from amounts
    union all
    select
        declines.hour,
        declines.currency,
        declines.merchant_segment,
        0, 0, 0, 0, 0, 0, 0, 0, 0,
        case when decline_reasons.kind = 'soft' then declines.amount_usd_minor else 0 end,
        case when decline_reasons.kind = 'hard' then declines.amount_usd_minor else 0 end,
        coalesce(declines.amount_usd_minor * decline_reasons.recovery_rate, 0),
        null,
        null,
        declines.is_from_batch
    from declines
    left join decline_reasons on declines.decline_reason = decline_reasons.decline_reason
    union all
    select
        hour,
        currency,
        merchant_segment,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        chargebacks,
        chargeback_amount_usd_minor,
        null
    from chargebacks
),

summed as (
    select
        hour,
        currency,
        merchant_segment,
        sum(attempts)::bigint as attempts,
        sum(approved)::bigint as approved,
        sum(amount_minor) as amount_minor,
        sum(approved_amount_minor) as approved_amount_minor,
        sum(fee_minor) as fee_minor,
        sum(amount_usd_minor) as amount_usd_minor,
        sum(approved_amount_usd_minor) as approved_amount_usd_minor,
        sum(fee_usd_minor) as fee_usd_minor,
        sum(false_declined_amount_usd_minor) as false_declined_amount_usd_minor,
        sum(soft_declined_amount_usd_minor) as soft_declined_amount_usd_minor,
        sum(hard_declined_amount_usd_minor) as hard_declined_amount_usd_minor,
        sum(recoverable_amount_usd_minor) as recoverable_amount_usd_minor,
        sum(chargebacks)::bigint as chargebacks,
        sum(chargeback_amount_usd_minor) as chargeback_amount_usd_minor,
        bool_and(is_from_batch) as is_from_batch
    from pieces
    group by hour, currency, merchant_segment
)

select
    summed.hour,
    summed.currency,
    summed.merchant_segment,
    summed.attempts,
    summed.approved,
    {{ minor_to_units('summed.amount_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as amount,
    {{ minor_to_units('summed.approved_amount_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as approved_amount,
    {{ minor_to_units('(summed.amount_minor - summed.approved_amount_minor)', 'coalesce(currencies.minor_unit_exponent, 2)') }} as declined_amount,
    {{ minor_to_units('summed.fee_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as fee,
    {{ minor_to_units('(summed.approved_amount_minor - summed.fee_minor)', 'coalesce(currencies.minor_unit_exponent, 2)') }} as net,
    {{ cents_to_usd('summed.amount_usd_minor') }} as amount_usd,
    {{ cents_to_usd('summed.approved_amount_usd_minor') }} as approved_amount_usd,
    {{ cents_to_usd('(summed.amount_usd_minor - summed.approved_amount_usd_minor)') }} as declined_amount_usd,
    {{ cents_to_usd('summed.fee_usd_minor') }} as fee_usd,
    {{ cents_to_usd('(summed.approved_amount_usd_minor - summed.fee_usd_minor)') }} as net_usd,
    {{ cents_to_usd('summed.soft_declined_amount_usd_minor') }} as soft_declined_amount_usd,
    {{ cents_to_usd('summed.hard_declined_amount_usd_minor') }} as hard_declined_amount_usd,
    {{ cents_to_usd('summed.recoverable_amount_usd_minor') }} as recoverable_amount_usd,
    {{ cents_to_usd('summed.false_declined_amount_usd_minor') }} as false_declined_amount_usd,
    summed.chargebacks,
    {{ cents_to_usd('summed.chargeback_amount_usd_minor') }} as chargeback_amount_usd,
    {{ share('summed.chargebacks', 'summed.approved') }} as chargeback_rate,
    summed.is_from_batch
from summed
left join currencies on summed.currency = currencies.currency
