with

payments as (
    select * from {{ ref('stg_payments') }}
),

decline_reasons as (
    select * from {{ ref('decline_reasons') }}
),

flagged as (
    select
        payments.*,
        payments.attempt_number > 1 as is_retry,
        payments.attempt_number > 1 and payments.is_approved as is_recovered,
        not payments.is_approved and coalesce(decline_reasons.kind = 'soft', false) as is_soft_decline,
        not payments.is_approved and coalesce(decline_reasons.kind = 'hard', false) as is_hard_decline,
        {{ calendar_of('payments.event_timestamp') }}
    from payments
    left join decline_reasons on payments.decline_reason = decline_reasons.decline_reason
)

select * from flagged
