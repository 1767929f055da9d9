-- What the hourly cubes would hold of the rows that are there, had they always been kept: as dbt/macros/cubes.sql counts.

set local role payments_owner;
set local timezone = 'UTC';

lock table live.payments in share mode;

insert into live.solution_hours (
    hour, payment_solution, processor, card_network, merchant_segment, attempts, approved, first_attempts,
    first_attempts_approved, amount_usd_minor, approved_amount_usd_minor, fee_usd_minor, latency_ms,
    network_tokens, pipeline_errors, late
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    payment_solution,
    processor,
    card_network,
    merchant_segment,
    count(*),
    count(*) filter (where is_approved),
    count(*) filter (where attempt_number = 1),
    count(*) filter (where attempt_number = 1 and is_approved),
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(
        case when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
        end
    ), 0)::bigint,
    coalesce(sum(processing_latency_ms), 0)::bigint,
    count(*) filter (where is_network_token),
    count(*) filter (where pipeline_error),
    count(*) filter (where is_late)
from live.payments
group by 1, 2, 3, 4, 5;

insert into live.geography_hours (
    hour, merchant_country, issuer_country, is_cross_border, merchant_segment, attempts, approved,
    first_attempts, first_attempts_approved, amount_usd_minor, approved_amount_usd_minor, fee_usd_minor,
    latency_ms
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    merchant_country,
    issuer_country,
    is_cross_border,
    merchant_segment,
    count(*),
    count(*) filter (where is_approved),
    count(*) filter (where attempt_number = 1),
    count(*) filter (where attempt_number = 1 and is_approved),
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(
        case when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
        end
    ), 0)::bigint,
    coalesce(sum(processing_latency_ms), 0)::bigint
from live.payments
group by 1, 2, 3, 4, 5;

insert into live.merchant_hours (
    hour, merchant_id, merchant_segment, merchant_country, attempts, approved, first_attempts,
    first_attempts_approved, amount_usd_minor, approved_amount_usd_minor, fee_usd_minor, latency_ms
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    merchant_id,
    merchant_segment,
    merchant_country,
    count(*),
    count(*) filter (where is_approved),
    count(*) filter (where attempt_number = 1),
    count(*) filter (where attempt_number = 1 and is_approved),
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(
        case when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
        end
    ), 0)::bigint,
    coalesce(sum(processing_latency_ms), 0)::bigint
from live.payments
group by 1, 2, 3, 4;

insert into live.three_ds_hours (
    hour, uses_3ds, three_ds_outcome, card_network, issuer_country, attempts, approved, first_attempts,
    first_attempts_approved, amount_usd_minor, approved_amount_usd_minor, fee_usd_minor, latency_ms,
    frictionless, challenges, challenges_passed
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    uses_3ds,
    case when uses_3ds then coalesce(three_ds_outcome, 'none') else 'none' end,
    card_network,
    issuer_country,
    count(*),
    count(*) filter (where is_approved),
    count(*) filter (where attempt_number = 1),
    count(*) filter (where attempt_number = 1 and is_approved),
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(
        case when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
        end
    ), 0)::bigint,
    coalesce(sum(processing_latency_ms), 0)::bigint,
    count(*) filter (where uses_3ds and coalesce(three_ds_outcome = 'frictionless', false)),
    count(*) filter (where uses_3ds and coalesce(starts_with(three_ds_outcome, 'challenge'), false)),
    count(*) filter (where uses_3ds and coalesce(three_ds_outcome = 'challenge_passed', false))
from live.payments
group by 1, 2, 3, 4, 5;

insert into live.risk_hours (
    hour, risk_tier, amount_bucket, merchant_segment, attempts, approved, first_attempts,
    first_attempts_approved, amount_usd_minor, approved_amount_usd_minor, fee_usd_minor, latency_ms,
    fraud_score_micros, fraud_suspected, false_declines
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    risk_tier,
    amount_bucket,
    merchant_segment,
    count(*),
    count(*) filter (where is_approved),
    count(*) filter (where attempt_number = 1),
    count(*) filter (where attempt_number = 1 and is_approved),
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(
        case when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
        end
    ), 0)::bigint,
    coalesce(sum(processing_latency_ms), 0)::bigint,
    coalesce(sum(floor(least(greatest(fraud_score, 0), 1) * 1000000 + 0.5)::bigint), 0)::bigint,
    count(*) filter (where not is_approved and decline_reason = 'fraud_suspected'),
    count(*) filter (where not is_approved and risk_tier = 'LOW' and coalesce(decline_reason in ('fraud_suspected', 'do_not_honor'), false))
from live.payments
group by 1, 2, 3, 4;

insert into live.retry_hours (
    hour, attempt_number, previous_decline_reason, wait_bucket, retries, recovered, amount_usd_minor,
    recovered_amount_usd_minor
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    least(attempt_number, 5),
    coalesce(previous_decline_reason, 'unstated'),
    case when minutes_since_decline is null or minutes_since_decline = 'NaN' or minutes_since_decline < 0 then 'unknown' when minutes_since_decline < 5 then 'under_5_minutes' when minutes_since_decline < 60 then 'under_1_hour' when minutes_since_decline < 1440 then 'under_1_day' else 'longer' end,
    count(*),
    count(*) filter (where is_approved),
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint
from live.payments
where attempt_number > 1
group by 1, 2, 3, 4;

insert into live.financial_hours (
    hour, currency, merchant_segment, attempts, approved, amount_minor, approved_amount_minor, amount_usd_minor,
    approved_amount_usd_minor, fee_minor, fee_usd_minor, false_declined_amount_usd_minor
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    currency,
    merchant_segment,
    count(*),
    count(*) filter (where is_approved),
    coalesce(sum(amount_minor), 0)::bigint,
    coalesce(sum(amount_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(amount_usd_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where is_approved), 0)::bigint,
    coalesce(sum(fee_minor), 0)::bigint,
    coalesce(sum(
        case when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
        end
    ), 0)::bigint,
    coalesce(sum(amount_usd_minor) filter (where not is_approved and risk_tier = 'LOW' and coalesce(decline_reason in ('fraud_suspected', 'do_not_honor'), false)), 0)::bigint
from live.payments
group by 1, 2, 3;

insert into live.decline_hours (
    hour, decline_reason, processor, merchant_segment, card_network, currency, declines, amount_minor, amount_usd_minor
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    coalesce(decline_reason, 'unstated'),
    processor,
    merchant_segment,
    card_network,
    currency,
    count(*),
    coalesce(sum(amount_minor), 0)::bigint,
    coalesce(sum(amount_usd_minor), 0)::bigint
from live.payments
where not is_approved
group by 1, 2, 3, 4, 5, 6;

insert into live.latency_hours (
    hour, processor, bucket, attempts
)
select
    date_trunc('hour', event_timestamp, 'UTC'),
    processor,
    ceil(ln(greatest(processing_latency_ms, 1)::double precision) / ln(1.01::double precision / 0.99))::integer,
    count(*)
from live.payments
group by 1, 2, 3;

reset role;
