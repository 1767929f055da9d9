with

source as (
    select * from {{ source('live', 'transactions') }}
),

renamed as (
    select
        -- ids
        transaction_id,
        user_id,
        device_id,

        -- what
        merchant,
        payment_method,
        city,
        country,

        -- money
        amount::numeric(20, 3) as amount,
        amount_category,

        -- flags
        is_fraud,
        is_high_value,
        is_late,

        -- times
        event_timestamp,
        arrived_at,

        -- where it came from
        source_partition,
        source_offset
    from source
)

select * from renamed
