with

payments as (
    select
        *,
        {{ is_false_decline() }} as is_false_decline,
        {{ is_frictionless() }} as is_frictionless,
        {{ is_challenged() }} as is_challenged,
        {{ is_challenge_passed() }} as is_challenge_passed,
        {{ fee_usd_minor() }} as fee_usd_minor
    from {{ ref('stg_payments') }}
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
