with

risk as (
    {{ merged_hourly('risk_hours', ref('int_risk__counted_hourly')) }}
)

select
    risk.hour,
    risk.risk_tier,
    risk.amount_bucket,
    risk.merchant_segment,
    {{ outcome_and_money('risk') }},
    (risk.fraud_score_micros / 1000000.0)::numeric(20, 6) as fraud_score_sum,
    (risk.fraud_score_micros / 1000000.0 / nullif(risk.attempts, 0))::numeric(7, 6) as average_fraud_score,
    risk.fraud_suspected,
    risk.false_declines
from risk
