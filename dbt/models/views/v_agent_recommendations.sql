with

recommendations as (
    select * from {{ source('ops', 'agent_recommendations') }}
)

select
    recommendation_id,
    agent,
    type,
    scope,
    title,
    rationale,
    case when status = 'open' and expires_at <= now() then 'expired' else status end as status,
    created_at,
    expires_at,
    logical_date,
    expected_effect_usd,
    expected_effect_low_usd,
    expected_effect_high_usd,
    confidence,
    evidence,
    model,
    prompt_hash,
    is_fallback,
    decided_at,
    decided_by,
    measured_effect_usd,
    measured_at
from recommendations
