-- The live part of the windowed gold tables, and how far they are. The columns are those of contracts/windows.toml.

set local role payments_owner;

-- Keys are texts of others, of any length, which an index could refuse: it holds their hashes.

create table live.transactions_10m (
    window_start timestamptz not null,
    window_end timestamptz not null,
    merchant text,
    payment_method text,
    country text,
    transactions bigint not null,
    revenue_cents bigint not null,
    revenue double precision not null,
    mean_amount double precision not null,
    fraud_count bigint not null,
    fraud_rate double precision not null,
    distinct_users bigint not null,
    distinct_devices bigint not null,
    is_complete boolean not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create unique index transactions_10m_key on live.transactions_10m (window_start, (md5(merchant)::uuid), (md5(payment_method)::uuid), (md5(country)::uuid)) nulls not distinct;
create index transactions_10m_open on live.transactions_10m (window_end) where not is_complete;

comment on table live.transactions_10m is 'Purchases by merchant, payment method and country, in windows of 10 minutes; those still open too. One row per window and merchant, payment method and country.';
comment on column live.transactions_10m.window_start is 'Start of the window, inclusive; UTC, aligned to the epoch';
comment on column live.transactions_10m.window_end is 'End of the window, exclusive';
comment on column live.transactions_10m.merchant is 'Name of the merchant';
comment on column live.transactions_10m.payment_method is 'How was paid, such as credit_card';
comment on column live.transactions_10m.country is 'Country of the customer, by name; null where the location names none';
comment on column live.transactions_10m.transactions is 'Purchases in the window';
comment on column live.transactions_10m.revenue_cents is 'Sum of the amounts, each rounded half up to hundredths of the shop''s currency; exact';
comment on column live.transactions_10m.revenue is 'revenue_cents / 100, in units of the shop''s currency';
comment on column live.transactions_10m.mean_amount is 'Mean of the rounded amounts, in units of the shop''s currency';
comment on column live.transactions_10m.fraud_count is 'Purchases known to be fraudulent';
comment on column live.transactions_10m.fraud_rate is 'fraud_count / transactions, 0..1';
comment on column live.transactions_10m.distinct_users is 'Different customers';
comment on column live.transactions_10m.distinct_devices is 'Different devices';
comment on column live.transactions_10m.is_complete is 'Whether the newest event is more than the watermark behind the end; a late purchase still changes the row';

create table live.merchants_15m (
    window_start timestamptz not null,
    window_end timestamptz not null,
    merchant text,
    transactions bigint not null,
    revenue_cents bigint not null,
    revenue double precision not null,
    mean_amount double precision not null,
    fraud_count bigint not null,
    fraud_rate double precision not null,
    distinct_users bigint not null,
    distinct_devices bigint not null,
    distinct_countries bigint not null,
    distinct_payment_methods bigint not null,
    is_complete boolean not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create unique index merchants_15m_key on live.merchants_15m (window_start, (md5(merchant)::uuid)) nulls not distinct;
create index merchants_15m_open on live.merchants_15m (window_end) where not is_complete;

comment on table live.merchants_15m is 'Purchases by merchant, in windows of 15 minutes that begin every 5; those still open too. One row per window and merchant.';
comment on column live.merchants_15m.window_start is 'Start of the window, inclusive; UTC, aligned to the epoch';
comment on column live.merchants_15m.window_end is 'End of the window, exclusive';
comment on column live.merchants_15m.merchant is 'Name of the merchant';
comment on column live.merchants_15m.transactions is 'Purchases in the window';
comment on column live.merchants_15m.revenue_cents is 'Sum of the amounts, each rounded half up to hundredths of the shop''s currency; exact';
comment on column live.merchants_15m.revenue is 'revenue_cents / 100, in units of the shop''s currency';
comment on column live.merchants_15m.mean_amount is 'Mean of the rounded amounts, in units of the shop''s currency';
comment on column live.merchants_15m.fraud_count is 'Purchases known to be fraudulent';
comment on column live.merchants_15m.fraud_rate is 'fraud_count / transactions, 0..1';
comment on column live.merchants_15m.distinct_users is 'Different customers';
comment on column live.merchants_15m.distinct_devices is 'Different devices';
comment on column live.merchants_15m.distinct_countries is 'Different countries, not counting null';
comment on column live.merchants_15m.distinct_payment_methods is 'Different payment methods';
comment on column live.merchants_15m.is_complete is 'Whether the newest event is more than the watermark behind the end; a late purchase still changes the row';

create table live.users_1h (
    window_start timestamptz not null,
    window_end timestamptz not null,
    user_id integer,
    transactions bigint not null,
    spend_cents bigint not null,
    spend double precision not null,
    mean_amount double precision not null,
    fraud_count bigint not null,
    fraud_rate double precision not null,
    distinct_merchants bigint not null,
    distinct_payment_methods bigint not null,
    payment_methods text[] not null,
    distinct_devices bigint not null,
    distinct_countries bigint not null,
    suspicious_reasons text[] not null,
    is_suspicious boolean not null,
    is_complete boolean not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create unique index users_1h_key on live.users_1h (window_start, user_id) nulls not distinct;
create index users_1h_open on live.users_1h (window_end) where not is_complete;

comment on table live.users_1h is 'Purchases of each customer by hour; those still open too. One row per window and customer.';
comment on column live.users_1h.window_start is 'Start of the window, inclusive; UTC, aligned to the epoch';
comment on column live.users_1h.window_end is 'End of the window, exclusive';
comment on column live.users_1h.user_id is 'Customer';
comment on column live.users_1h.transactions is 'Purchases in the window';
comment on column live.users_1h.spend_cents is 'Sum of the customer''s amounts, each rounded half up to hundredths of the shop''s currency; exact';
comment on column live.users_1h.spend is 'spend_cents / 100, in units of the shop''s currency';
comment on column live.users_1h.mean_amount is 'Mean of the rounded amounts, in units of the shop''s currency';
comment on column live.users_1h.fraud_count is 'Purchases known to be fraudulent';
comment on column live.users_1h.fraud_rate is 'fraud_count / transactions, 0..1';
comment on column live.users_1h.distinct_merchants is 'Different merchants';
comment on column live.users_1h.distinct_payment_methods is 'Different payment methods';
comment on column live.users_1h.payment_methods is 'The payment methods, in alphabetical order';
comment on column live.users_1h.distinct_devices is 'Different devices';
comment on column live.users_1h.distinct_countries is 'Different countries, not counting null';
comment on column live.users_1h.suspicious_reasons is 'Names of the thresholds of contracts/windows.toml that the window reaches; empty when none';
comment on column live.users_1h.is_suspicious is 'Whether there is any such reason';
comment on column live.users_1h.is_complete is 'Whether the newest event is more than the watermark behind the end; a late purchase still changes the row';

create table live.countries_30m (
    window_start timestamptz not null,
    window_end timestamptz not null,
    country text,
    transactions bigint not null,
    revenue_cents bigint not null,
    revenue double precision not null,
    mean_amount double precision not null,
    fraud_count bigint not null,
    fraud_rate double precision not null,
    distinct_users bigint not null,
    distinct_devices bigint not null,
    distinct_merchants bigint not null,
    distinct_payment_methods bigint not null,
    is_complete boolean not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create unique index countries_30m_key on live.countries_30m (window_start, (md5(country)::uuid)) nulls not distinct;
create index countries_30m_open on live.countries_30m (window_end) where not is_complete;

comment on table live.countries_30m is 'Purchases by country of the customer, in windows of 30 minutes; those still open too. One row per window and country.';
comment on column live.countries_30m.window_start is 'Start of the window, inclusive; UTC, aligned to the epoch';
comment on column live.countries_30m.window_end is 'End of the window, exclusive';
comment on column live.countries_30m.country is 'Country of the customer, by name; null where the location names none';
comment on column live.countries_30m.transactions is 'Purchases in the window';
comment on column live.countries_30m.revenue_cents is 'Sum of the amounts, each rounded half up to hundredths of the shop''s currency; exact';
comment on column live.countries_30m.revenue is 'revenue_cents / 100, in units of the shop''s currency';
comment on column live.countries_30m.mean_amount is 'Mean of the rounded amounts, in units of the shop''s currency';
comment on column live.countries_30m.fraud_count is 'Purchases known to be fraudulent';
comment on column live.countries_30m.fraud_rate is 'fraud_count / transactions, 0..1';
comment on column live.countries_30m.distinct_users is 'Different customers';
comment on column live.countries_30m.distinct_devices is 'Different devices';
comment on column live.countries_30m.distinct_merchants is 'Different merchants';
comment on column live.countries_30m.distinct_payment_methods is 'Different payment methods';
comment on column live.countries_30m.is_complete is 'Whether the newest event is more than the watermark behind the end; a late purchase still changes the row';

create table live.platform_1h (
    window_start timestamptz not null,
    window_end timestamptz not null,
    transactions bigint not null,
    revenue_cents bigint not null,
    revenue double precision not null,
    mean_amount double precision not null,
    fraud_count bigint not null,
    fraud_rate double precision not null,
    distinct_users bigint not null,
    distinct_devices bigint not null,
    distinct_merchants bigint not null,
    distinct_countries bigint not null,
    distinct_payment_methods bigint not null,
    is_complete boolean not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

create unique index platform_1h_key on live.platform_1h (window_start) nulls not distinct;
create index platform_1h_open on live.platform_1h (window_end) where not is_complete;

comment on table live.platform_1h is 'All purchases by hour; those still open too. One row per window.';
comment on column live.platform_1h.window_start is 'Start of the window, inclusive; UTC, aligned to the epoch';
comment on column live.platform_1h.window_end is 'End of the window, exclusive';
comment on column live.platform_1h.transactions is 'Purchases in the window';
comment on column live.platform_1h.revenue_cents is 'Sum of the amounts, each rounded half up to hundredths of the shop''s currency; exact';
comment on column live.platform_1h.revenue is 'revenue_cents / 100, in units of the shop''s currency';
comment on column live.platform_1h.mean_amount is 'Mean of the rounded amounts, in units of the shop''s currency';
comment on column live.platform_1h.fraud_count is 'Purchases known to be fraudulent';
comment on column live.platform_1h.fraud_rate is 'fraud_count / transactions, 0..1';
comment on column live.platform_1h.distinct_users is 'Different customers';
comment on column live.platform_1h.distinct_devices is 'Different devices';
comment on column live.platform_1h.distinct_merchants is 'Different merchants';
comment on column live.platform_1h.distinct_countries is 'Different countries, not counting null';
comment on column live.platform_1h.distinct_payment_methods is 'Different payment methods';
comment on column live.platform_1h.is_complete is 'Whether the newest event is more than the watermark behind the end; a late purchase still changes the row';

-- One row: up to which version of Silver the live tables are right. Written in the same transaction as they are.
create table ops.window_progress (
    source text primary key,
    table_id text not null,
    version bigint not null,
    newest_event_at timestamptz,
    committed_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200);

comment on table ops.window_progress is 'Up to which version of a Delta table the windows are computed. One row per table.';
comment on column ops.window_progress.source is 'Delta table that is read';
comment on column ops.window_progress.table_id is 'Id in the table''s metadata, which tells it from another of the same name';
comment on column ops.window_progress.version is 'Newest version whose rows are counted';
comment on column ops.window_progress.newest_event_at is 'Newest event time among those rows';
comment on column ops.window_progress.committed_at is 'When that was';

-- What has to be written to the lake, and what was.
create table ops.window_revisions (
    window_table text not null,
    window_start timestamptz not null,
    window_end timestamptz not null,
    revision bigint not null,
    written_revision bigint,
    written_at timestamptz,
    is_live_behind boolean not null,
    primary key (window_table, window_start)
) with (fillfactor = 70, autovacuum_vacuum_threshold = 500);

create index window_revisions_due on ops.window_revisions (window_end)
    where is_live_behind or written_revision is null or written_revision < revision;

comment on table ops.window_revisions is 'How often the purchases of a window changed, and which of these states the lake has. One row per windowed table and window.';
comment on column ops.window_revisions.window_table is 'Name in contracts/windows.toml';
comment on column ops.window_revisions.window_start is 'Start of the window, inclusive';
comment on column ops.window_revisions.window_end is 'End of the window, exclusive';
comment on column ops.window_revisions.revision is 'Goes up each time purchases of the window come or change';
comment on column ops.window_revisions.written_revision is 'Revision that the Delta table holds; null while it holds none';
comment on column ops.window_revisions.written_at is 'When it was written to Delta last';
comment on column ops.window_revisions.is_live_behind is 'Whether the live table still has to be given the whole window';

reset role;

grant usage on schema live, ops to payments_api;
grant select on
    live.transactions_10m, live.merchants_15m, live.users_1h, live.countries_30m, live.platform_1h, ops.window_progress
    to payments_api;
