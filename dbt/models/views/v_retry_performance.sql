with

retries as (
    {{ merged_hourly('retry_hours', ref('int_retries__counted_hourly')) }}
),

decline_reasons as (
    select * from {{ ref('decline_reasons') }}
)

select
    retries.hour,
    retries.attempt_number,
    retries.previous_decline_reason,
    coalesce(decline_reasons.kind, 'unknown') as reason_kind,
    retries.wait_bucket,
    retries.retries,
    retries.recovered,
    {{ share('retries.recovered', 'retries.retries') }} as recovery_rate,
    {{ cents_to_usd('retries.amount_usd_minor') }} as amount_usd,
    {{ cents_to_usd('retries.recovered_amount_usd_minor') }} as recovered_amount_usd,
    retries.is_from_batch
from retries
left join decline_reasons on retries.previous_decline_reason = decline_reasons.decline_reason
