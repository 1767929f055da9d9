{{ config(indexes=[{'columns': ['hour', 'currency', 'merchant_segment'], 'unique': true}]) }}

with

hours_to_count as (
    {{ hours_to_count(this) }}
),

-- All that are known, so that an hour's attempts are looked up in one hash and not, each by itself, in every day.
frauds as materialized (
    select distinct transaction_id from {{ ref('stg_transactions') }}
    where is_fraud
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
            attempts.currency,
            attempts.merchant_segment,
            attempts.is_approved,
            attempts.amount_usd_minor,
            attempts.is_approved and frauds.transaction_id is not null as is_chargeback
        from {{ ref('stg_payments') }} as attempts
        left join frauds on attempts.transaction_id = frauds.transaction_id
        where
            attempts.event_timestamp >= hours_to_count.hour
            and attempts.event_timestamp < hours_to_count.hour + interval '1 hour'
    ) as payments
    group by payments.currency, payments.merchant_segment
) as counted
