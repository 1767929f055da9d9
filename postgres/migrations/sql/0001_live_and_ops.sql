-- The speed layer (live) that the stream writes, and the record of its work (ops).

create schema live authorization payments_owner;
create schema ops authorization payments_owner;
create schema gold authorization payments_dbt;

set local role payments_owner;

-- One row per authorisation attempt. (source_partition, source_offset) is where it lies in Kafka and Bronze.
create table live.payments (
    event_id text not null,
    transaction_id text not null,
    event_timestamp timestamptz not null,
    merchant_id text not null,
    merchant_segment text not null,
    merchant_country text not null,
    issuer_country text not null,
    issuer text not null,
    card_network text not null,
    card_bin text not null,
    amount_minor bigint not null,
    amount_usd_minor bigint,
    currency text not null,
    payment_solution text not null,
    processor text not null,
    uses_3ds boolean not null,
    three_ds_outcome text,
    is_network_token boolean not null,
    fraud_score double precision not null,
    aml_risk_score double precision not null,
    device_trust_score double precision not null,
    velocity_score double precision not null,
    attempt_number integer not null,
    previous_decline_reason text,
    minutes_since_decline double precision,
    is_approved boolean not null,
    decline_reason text,
    processing_latency_ms integer not null,
    fee_minor bigint not null,
    pipeline_error boolean not null,
    schema_version integer not null,
    risk_tier text not null,
    amount_bucket text not null,
    is_cross_border boolean not null,
    composite_risk_score double precision not null,
    is_late boolean not null,
    arrived_at timestamptz not null,
    source_partition smallint not null,
    source_offset bigint not null,
    primary key (event_id, event_timestamp)
) partition by range (event_timestamp);

-- One row per purchase, as the shop saw it.
create table live.transactions (
    transaction_id text not null,
    event_timestamp timestamptz not null,
    user_id integer not null,
    amount double precision not null,
    merchant text not null,
    is_fraud boolean not null,
    payment_method text not null,
    city text,
    country text,
    device_id text not null,
    amount_category text not null,
    is_high_value boolean not null,
    is_late boolean not null,
    arrived_at timestamptz not null,
    source_partition smallint not null,
    source_offset bigint not null,
    primary key (transaction_id, event_timestamp)
) partition by range (event_timestamp);

-- Running aggregates, exact at every commit: attempts by minute of event time.
create table live.payment_minutes (
    minute timestamptz not null,
    currency text not null,
    merchant_segment text not null,
    attempts bigint not null,
    approved bigint not null,
    first_attempts bigint not null,
    first_attempts_approved bigint not null,
    amount_minor bigint not null,
    approved_amount_minor bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_minor bigint not null,
    latency_ms bigint not null,
    high_risk bigint not null,
    late bigint not null,
    primary key (minute, currency, merchant_segment)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create table live.decline_minutes (
    minute timestamptz not null,
    decline_reason text not null,
    currency text not null,
    declines bigint not null,
    amount_minor bigint not null,
    amount_usd_minor bigint not null,
    primary key (minute, decline_reason, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Goes up each time rows of that hour are added. The batch layer remembers the version it aggregated;
-- a view trusts the batch layer for an hour only while the two agree.
create table live.payment_hours (
    hour timestamptz primary key,
    version bigint not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- One row: how far the stream is. Read by the KPI view for freshness.
create table live.progress (
    query text primary key,
    batch_id bigint not null,
    newest_event_at timestamptz,
    committed_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200);

-- One row per committed batch: the exactly-once ledger of the Postgres sink and the audit of its work.
create table ops.batches (
    query text not null,
    batch_id bigint not null,
    committed_at timestamptz not null default clock_timestamp(),
    records bigint not null,
    payments bigint not null,
    transactions bigint not null,
    duplicates bigint not null,
    dead_letters bigint not null,
    late bigint not null,
    offsets jsonb not null,
    primary key (query, batch_id)
);

create table ops.expectation_results (
    query text not null,
    batch_id bigint not null,
    topic text not null,
    expectation text not null,
    action text not null,
    passed bigint not null,
    failed bigint not null,
    primary key (query, batch_id, topic, expectation)
);

create table ops.dead_letter_counts (
    query text not null,
    batch_id bigint not null,
    topic text not null,
    reason text not null,
    letters bigint not null,
    primary key (query, batch_id, topic, reason)
);

-- Detail arrives in the order of its time, so a block range index finds an hour at almost no cost to the writer.
create index payments_event_timestamp_brin on live.payments
    using brin (event_timestamp) with (pages_per_range = 32, autosummarize = on);
create index transactions_event_timestamp_brin on live.transactions
    using brin (event_timestamp) with (pages_per_range = 32, autosummarize = on);

-- Read by the console and alerts, newest first.
create index batches_committed_at on ops.batches (committed_at);

-- Adds the daily partitions (UTC days) of live.payments or live.transactions that are missing. A table is made apart
-- and then attached: that waits for no reader of the parent, which `create table … partition of` would.
create function live.ensure_partitions(table_name text, days date[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    day date;
    partition text;
begin
    if table_name is null or table_name not in ('payments', 'transactions') then
        raise exception 'live.ensure_partitions knows payments and transactions, not %', table_name;
    end if;
    for day in select distinct d from unnest(days) as d where d is not null order by d loop
        partition := format('%s_%s', table_name, to_char(day, 'YYYYMMDD'));
        continue when exists (select 1 from pg_class where relname = partition and relnamespace = 'live'::regnamespace);
        perform pg_advisory_xact_lock(hashtextextended('live.ensure_partitions', 0));
        -- Another may have made it while this one waited. A query sees that; to_regclass would answer from its cache.
        continue when exists (select 1 from pg_class where relname = partition and relnamespace = 'live'::regnamespace);
        execute format('create table live.%I (like live.%I including all)', partition, table_name);
        execute format(
            'alter table live.%I attach partition live.%I for values from (%L) to (%L)',
            table_name, partition, day::timestamptz, (day + 1)::timestamptz
        );
    end loop;
end
$$;

comment on function live.ensure_partitions(text, date[]) is
    'Adds missing daily partitions, by UTC day, of live.payments or live.transactions. Safe to call at once from many.';

reset role;
