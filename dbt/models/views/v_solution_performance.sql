with

solutions as (
    {{ merged_hourly('solution_hours', ref('int_solutions__counted_hourly')) }}
)

select
    solutions.hour,
    solutions.payment_solution,
    solutions.processor,
    solutions.card_network,
    solutions.merchant_segment,
    {{ outcome_and_money('solutions') }},
    solutions.network_tokens,
    solutions.pipeline_errors
from solutions
