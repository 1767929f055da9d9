with

solutions as (
    {{ merged_hourly('solution_hours', ref('int_solutions__counted_hourly')) }}
),

latencies as (
    {{ merged_hourly('latency_hours', ref('int_latencies__counted_hourly')) }}
),

-- Laid one upon the other rather than joined, so that a reader's range of hours reaches both.
pieces as (
    select
        hour,
        processor,
        null::integer as bucket,
        0::bigint as in_bucket,
        attempts,
        latency_ms,
        pipeline_errors,
        late,
        is_from_batch
    from solutions
    union all
    select
        hour,
        processor,
        bucket,
        attempts,
        0,
        0,
        0,
        0,
        is_from_batch
    from latencies
),

ranked as (
    select
        pieces.*,
        sum(in_bucket) over (partition by hour, processor order by bucket nulls first) as up_to,
        sum(in_bucket) over (partition by hour, processor) as in_all
    from pieces
)

select
    hour,
    processor,
    sum(attempts)::bigint as attempts,
    {{ latency_bucket_middle('min(bucket) filter (where up_to > 0.50 * (in_all - 1))') }} as latency_p50_ms,
    {{ latency_bucket_middle('min(bucket) filter (where up_to > 0.95 * (in_all - 1))') }} as latency_p95_ms,
    {{ latency_bucket_middle('min(bucket) filter (where up_to > 0.99 * (in_all - 1))') }} as latency_p99_ms,
    (sum(latency_ms) / nullif(sum(attempts), 0))::numeric(14, 3) as average_latency_ms,
    sum(latency_ms)::bigint as latency_ms,
    sum(pipeline_errors)::bigint as pipeline_errors,
    {{ share('sum(pipeline_errors)', 'sum(attempts)') }} as error_rate,
    sum(late)::bigint as late,
    bool_and(is_from_batch) as is_from_batch
from ranked
group by hour, processor
