-- Tables in the shape of the gold views, filled by the tests: what serving reads, without dbt.
create schema gold;

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

grant usage on schema gold to payments_api;
grant select on all tables in schema gold to payments_api;
