with

latencies as (
    {{ merged_hourly('latency_hours', ref('int_latencies__counted_hourly')) }}
)

select
    latencies.hour,
    latencies.processor,
    latencies.bucket,
    {{ latency_bucket_bound('latencies.bucket') }} as up_to_ms,
    latencies.attempts,
    latencies.is_from_batch
from latencies
