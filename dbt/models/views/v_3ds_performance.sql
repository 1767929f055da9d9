with

three_ds as (
    {{ merged_hourly('three_ds_hours', ref('int_three_ds__counted_hourly')) }}
)

select
    three_ds.hour,
    three_ds.uses_3ds,
    three_ds.three_ds_outcome,
    three_ds.card_network,
    three_ds.issuer_country,
    {{ outcome_and_money('three_ds') }},
    three_ds.frictionless,
    three_ds.challenges,
    three_ds.challenges_passed,
    {{ share('three_ds.frictionless', 'case when three_ds.uses_3ds then three_ds.attempts end') }} as frictionless_rate,
    {{ share('three_ds.challenges', 'case when three_ds.uses_3ds then three_ds.attempts end') }} as challenge_rate,
    {{ share('three_ds.challenges_passed', 'three_ds.challenges') }} as challenge_success_rate
from three_ds
