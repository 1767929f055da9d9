-- Tables in the shape of the gold views, filled by the tests: what serving reads, without dbt.
create table gold.v_executive_kpis (
    kpi_window text primary key, window_start timestamptz, attempts bigint, approved bigint, declined bigint,
    approval_rate numeric(7, 6), first_attempts bigint, first_attempts_approved bigint,
    first_attempt_approval_rate numeric(7, 6), amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2),
    declined_amount_usd numeric(20, 2), average_ticket_usd numeric(20, 2), average_latency_ms numeric(12, 2),
    high_risk bigint, high_risk_share numeric(7, 6), late bigint, newest_event_at timestamptz,
    data_through timestamptz, last_batch_id bigint, batch_layer_through timestamptz
);

insert into gold.v_executive_kpis
select w, null, 1000, 900, 100, 0.9, 950, 870, 0.915789, 61230.10, 55107.09, 6123.01, 61.23, 182.4, 30, 0.03, 2,
    now() - interval '1 second', now(), 42, null
from unnest(array['last_hour', 'last_24_hours', 'last_7_days', 'all_time']) as w;

create table gold.v_approval_trends_hourly (
    hour timestamptz, merchant_segment text, currency text, attempts bigint, approved bigint, declined bigint,
    approval_rate numeric(7, 6), first_attempts bigint, first_attempts_approved bigint, amount numeric,
    approved_amount numeric, amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2),
    average_latency_ms numeric(12, 2), is_from_batch boolean
);

create table gold.v_top_decline_reasons (
    kpi_window text, decline_reason text, kind text, meaning text, declines bigint, share_of_declines numeric(7, 6),
    rank bigint, amount_usd numeric(20, 2), recovery_rate numeric(7, 6), recoverable_amount_usd numeric(20, 2),
    wait_minutes integer
);

insert into gold.v_top_decline_reasons values
('last_24_hours', 'insufficient_funds', 'soft', 'Not enough money', 70, 0.7, 1, 4286.11, 0.34, 1457.28, 1440),
('last_24_hours', 'made_up', 'unknown', null, 30, 0.3, 2, 1836.90, null, null, null);

create table gold.v_solution_performance (
    hour timestamptz, payment_solution text, processor text, card_network text, merchant_segment text,
    attempts bigint, approved bigint, declined bigint, approval_rate numeric(7, 6), first_attempts bigint,
    first_attempts_approved bigint, first_attempt_approval_rate numeric(7, 6), purchase_approval_rate numeric(7, 6),
    amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2), fee_usd numeric(20, 2), latency_ms bigint,
    average_latency_ms numeric(12, 3), is_from_batch boolean, network_tokens bigint, pipeline_errors bigint
);

create table gold.v_performance_by_geography (
    hour timestamptz, merchant_country text, issuer_country text, is_cross_border boolean, merchant_segment text,
    attempts bigint, approved bigint, declined bigint, approval_rate numeric(7, 6), first_attempts bigint,
    first_attempts_approved bigint, first_attempt_approval_rate numeric(7, 6), purchase_approval_rate numeric(7, 6),
    amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2), fee_usd numeric(20, 2), latency_ms bigint,
    average_latency_ms numeric(12, 3), is_from_batch boolean
);

create table gold.v_merchant_performance (
    hour timestamptz, merchant_id text, merchant_segment text, merchant_country text,
    attempts bigint, approved bigint, declined bigint, approval_rate numeric(7, 6), first_attempts bigint,
    first_attempts_approved bigint, first_attempt_approval_rate numeric(7, 6), purchase_approval_rate numeric(7, 6),
    amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2), fee_usd numeric(20, 2), latency_ms bigint,
    average_latency_ms numeric(12, 3), is_from_batch boolean, net_usd numeric(20, 2)
);

create table gold.v_3ds_performance (
    hour timestamptz, uses_3ds boolean, three_ds_outcome text, card_network text, issuer_country text,
    attempts bigint, approved bigint, declined bigint, approval_rate numeric(7, 6), first_attempts bigint,
    first_attempts_approved bigint, first_attempt_approval_rate numeric(7, 6), purchase_approval_rate numeric(7, 6),
    amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2), fee_usd numeric(20, 2), latency_ms bigint,
    average_latency_ms numeric(12, 3), is_from_batch boolean, frictionless bigint, challenges bigint,
    challenges_passed bigint, frictionless_rate numeric(7, 6), challenge_rate numeric(7, 6),
    challenge_success_rate numeric(7, 6)
);

create table gold.v_risk_distribution (
    hour timestamptz, risk_tier text, amount_bucket text, merchant_segment text,
    attempts bigint, approved bigint, declined bigint, approval_rate numeric(7, 6), first_attempts bigint,
    first_attempts_approved bigint, first_attempt_approval_rate numeric(7, 6), purchase_approval_rate numeric(7, 6),
    amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2), fee_usd numeric(20, 2), latency_ms bigint,
    average_latency_ms numeric(12, 3), is_from_batch boolean, fraud_score_sum numeric(20, 6),
    average_fraud_score numeric(7, 6), fraud_suspected bigint, false_declines bigint
);

create table gold.v_retry_performance (
    hour timestamptz, attempt_number integer, previous_decline_reason text, reason_kind text, wait_bucket text,
    retries bigint, recovered bigint, recovery_rate numeric(7, 6), amount_usd numeric(20, 2),
    recovered_amount_usd numeric(20, 2), is_from_batch boolean
);

create table gold.v_financial_summary (
    hour timestamptz, currency text, merchant_segment text, attempts bigint, approved bigint, amount numeric(24, 3),
    approved_amount numeric(24, 3), declined_amount numeric(24, 3), fee numeric(24, 3), net numeric(24, 3),
    amount_usd numeric(20, 2), approved_amount_usd numeric(20, 2), declined_amount_usd numeric(20, 2),
    fee_usd numeric(20, 2), net_usd numeric(20, 2), soft_declined_amount_usd numeric(20, 2),
    hard_declined_amount_usd numeric(20, 2), recoverable_amount_usd numeric(20, 2),
    false_declined_amount_usd numeric(20, 2), chargebacks bigint, chargeback_amount_usd numeric(20, 2),
    chargeback_rate numeric(7, 6), is_from_batch boolean
);

create table gold.v_system_performance (
    hour timestamptz, processor text, attempts bigint, latency_p50_ms numeric(12, 3), latency_p95_ms numeric(12, 3),
    latency_p99_ms numeric(12, 3), average_latency_ms numeric(12, 3), latency_ms bigint, pipeline_errors bigint,
    error_rate numeric(7, 6), late bigint, is_from_batch boolean
);

create table gold.v_latency_distribution_hourly (
    hour timestamptz, processor text, bucket integer, up_to_ms numeric, attempts bigint, is_from_batch boolean
);

create table gold.v_decline_reasons_hourly (
    hour timestamptz, decline_reason text, kind text, processor text, merchant_segment text, card_network text,
    declines bigint, amount_usd numeric(20, 2), recoverable_amount_usd numeric(20, 2), is_from_batch boolean
);

create table gold.v_active_alerts (
    alert_id text, kind text, severity text, started_at timestamptz, detected_at timestamptz, metric text,
    dimension text, value text, observed numeric, expected numeric, reason text
);

grant select on all tables in schema gold to payments_api;
