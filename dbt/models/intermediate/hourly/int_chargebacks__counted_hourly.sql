{{ config(indexes=[{'columns': ['hour', 'currency', 'merchant_segment'], 'unique': true}]) }}

with

hours_to_count as (
    {{ hours_to_count(this) }}
)

select
    hours_to_count.hour,
    counted.currency,
    counted.merchant_segment,
    counted.approved,
    counted.chargebacks,
    counted.chargeback_amount_usd_minor,
    hours_to_count.version
from hours_to_count
-- An hour without a chargeback has its rows too: that none was found is not the same as that none was looked for.
cross join lateral (
    select
        payments.currency,
        payments.merchant_segment,
        count(*) filter (where payments.is_approved) as approved,
        count(*) filter (where payments.is_chargeback) as chargebacks,
        coalesce(sum(payments.amount_usd_minor) filter (where payments.is_chargeback), 0)::bigint
            as chargeback_amount_usd_minor
    from (
        select
            currency,
            merchant_segment,
            is_approved,
            amount_usd_minor,
            is_approved and exists (
                select 1
                from {{ ref('stg_transactions') }} as purchases
                where purchases.transaction_id = attempts.transaction_id and purchases.is_fraud
            ) as is_chargeback
        from {{ ref('stg_payments') }} as attempts
        where event_timestamp >= hours_to_count.hour and event_timestamp < hours_to_count.hour + interval '1 hour'
    ) as payments
    group by payments.currency, payments.merchant_segment
) as counted
