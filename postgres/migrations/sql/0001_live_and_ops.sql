-- The speed layer (live) that the stream writes, and the record of its work (ops).

create schema live authorization payments_owner;
create schema ops authorization payments_owner;
create schema gold authorization payments_dbt;

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
);

create table live.decline_minutes (
    minute timestamptz not null,
    decline_reason text not null,
    currency text not null,
    declines bigint not null,
    amount_minor bigint not null,
    amount_usd_minor bigint not null,
    primary key (minute, decline_reason, currency)
);

-- Goes up each time rows of that hour are added. The batch layer remembers the version it aggregated;
-- a view trusts the batch layer for an hour only while the two agree.
create table live.payment_hours (
    hour timestamptz primary key,
    version bigint not null
);

-- One row: how far the stream is. Read by the KPI view for freshness.
create table live.progress (
    query text primary key,
    batch_id bigint not null,
    newest_event_at timestamptz,
    committed_at timestamptz not null
);

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
