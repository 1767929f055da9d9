with

source as (
    select * from {{ source('live', 'payments') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

renamed as (
    select
        -- ids
        source.event_id,
        source.transaction_id,
        source.merchant_id,

        -- who and how
        source.merchant_segment,
        source.merchant_country,
        source.issuer_country,
        source.issuer,
        source.card_network,
        source.card_bin,
        source.payment_solution,
        source.processor,
        source.three_ds_outcome,

        -- money
        source.currency,
        source.amount_minor,
        {{ minor_to_units('source.amount_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as amount,
        source.amount_usd_minor,
        {{ cents_to_usd('source.amount_usd_minor') }} as amount_usd,
        source.fee_minor,
        {{ minor_to_units('source.fee_minor', 'coalesce(currencies.minor_unit_exponent, 2)') }} as fee,
        source.amount_bucket,

        -- risk
        source.fraud_score,
        source.aml_risk_score,
        source.device_trust_score,
        source.velocity_score,
        source.composite_risk_score,
        source.risk_tier,

        -- outcome
        source.attempt_number,
        source.previous_decline_reason,
        source.minutes_since_decline,
        source.decline_reason,
        source.processing_latency_ms,

        -- flags
        source.is_approved,
        source.is_cross_border,
        source.is_late,
        source.is_network_token,
        source.uses_3ds,
        source.pipeline_error as is_pipeline_error,

        -- times
        source.event_timestamp,
        source.arrived_at,

        -- where it came from
        source.schema_version,
        source.source_partition,
        source.source_offset
    from source
    left join currencies on source.currency = currencies.currency
)

select * from renamed
