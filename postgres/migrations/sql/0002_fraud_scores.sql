-- Fraud scores, the history they are made of, and where messages of customers were met first.

set local role payments_owner;

-- One row per purchase. Ordered by customer first: a late purchase looks for its neighbours in time, and for the later
-- ones whose velocity it raises.
create table live.fraud_scores (
    user_id integer not null,
    event_timestamp timestamptz not null,
    transaction_id text not null,
    device_id text not null,
    merchant text not null,
    amount double precision not null,
    user_transactions bigint not null,
    user_amount_cents bigint not null,
    user_seconds_since_last double precision,
    user_transactions_30m bigint not null,
    user_devices bigint not null,
    is_new_device boolean not null,
    device_transactions bigint not null,
    device_users bigint not null,
    merchant_transactions bigint not null,
    merchant_amount_cents bigint not null,
    velocity_30m bigint not null,
    score integer not null,
    risk_level text not null,
    rules_fired text[] not null,
    revision integer not null default 0,
    primary key (user_id, event_timestamp, transaction_id)
) partition by range (event_timestamp);

comment on table live.fraud_scores is 'The fraud score of every purchase, with the rules that fired and what was known when it was scored. One row per purchase.';
comment on column live.fraud_scores.user_id is 'Customer';
comment on column live.fraud_scores.event_timestamp is 'When the checkout happened';
comment on column live.fraud_scores.transaction_id is 'Identity of the purchase; joins to live.transactions';
comment on column live.fraud_scores.device_id is 'Device used';
comment on column live.fraud_scores.merchant is 'Name of the merchant';
comment on column live.fraud_scores.amount is 'Amount in units of the shop''s currency, which the event does not name';
comment on column live.fraud_scores.user_transactions is 'Purchases of the customer known before this one';
comment on column live.fraud_scores.user_amount_cents is 'Sum of those purchases, in hundredths of the shops'' currencies';
comment on column live.fraud_scores.user_seconds_since_last is 'Seconds since the customer''s newest purchase known before; 0 when that one is later than this; null on a first';
comment on column live.fraud_scores.user_transactions_30m is 'velocity_30m as it was when the purchase was scored first';
comment on column live.fraud_scores.user_devices is 'Devices of the customer known before';
comment on column live.fraud_scores.is_new_device is 'Whether the customer was not seen on this device before';
comment on column live.fraud_scores.device_transactions is 'Purchases on the device known before';
comment on column live.fraud_scores.device_users is 'Customers seen on the device before, 64 at most';
comment on column live.fraud_scores.merchant_transactions is 'Purchases at the merchant known before';
comment on column live.fraud_scores.merchant_amount_cents is 'Sum of those purchases, in hundredths of the shop''s currency';
comment on column live.fraud_scores.velocity_30m is 'Purchases of the customer in the 30 minutes of event time up to this one, itself included; rises when late ones come';
comment on column live.fraud_scores.score is 'Points of the rules that fired';
comment on column live.fraud_scores.risk_level is 'CRITICAL, HIGH, MEDIUM, LOW or MINIMAL, by score';
comment on column live.fraud_scores.rules_fired is 'Names of the rules that fired';
comment on column live.fraud_scores.revision is 'How often velocity_30m was revised because a late purchase came';

-- Revisions on their way to the lake, which gets them together once in a while.
create table live.fraud_score_revisions (
    user_id integer not null,
    event_timestamp timestamptz not null,
    transaction_id text not null,
    revised_at timestamptz not null default clock_timestamp(),
    primary key (user_id, event_timestamp, transaction_id)
) with (fillfactor = 70, autovacuum_vacuum_threshold = 500);

comment on table live.fraud_score_revisions is 'Scores that were revised since the lake last heard of them. One row per purchase.';
comment on column live.fraud_score_revisions.user_id is 'Customer';
comment on column live.fraud_score_revisions.event_timestamp is 'When the checkout happened';
comment on column live.fraud_score_revisions.transaction_id is 'Identity of the purchase';
comment on column live.fraud_score_revisions.revised_at is 'When the score was revised last';

-- The newest state per key, for serving and for the next batch. Written in the same transaction as the purchases.
create table live.customer_history (
    user_id integer primary key,
    transactions bigint not null,
    amount_cents bigint not null,
    devices bigint not null,
    last_at timestamptz not null,
    recent_us bigint[] not null,
    recent_from_us bigint not null
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

comment on table live.customer_history is 'What is known of each customer. One row per customer.';
comment on column live.customer_history.user_id is 'Customer';
comment on column live.customer_history.transactions is 'Purchases';
comment on column live.customer_history.amount_cents is 'Sum of the purchases, in hundredths of the shops'' currencies';
comment on column live.customer_history.devices is 'Devices used, as far as those remember their customers';
comment on column live.customer_history.last_at is 'Newest purchase';
comment on column live.customer_history.recent_us is 'Times of recent purchases, microseconds since 1970: every one after recent_from_us, in the order they were met';
comment on column live.customer_history.recent_from_us is 'Microseconds since 1970; times up to here may be missing in recent_us, 0 when none is';

create table live.device_history (
    device_id text collate "C" primary key,
    transactions bigint not null,
    amount_cents bigint not null,
    last_at timestamptz not null,
    user_ids integer[] not null,
    users_before integer not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

comment on table live.device_history is 'What is known of each device. One row per device.';
comment on column live.device_history.device_id is 'Device';
comment on column live.device_history.transactions is 'Purchases made on it';
comment on column live.device_history.amount_cents is 'Sum of those purchases, in hundredths of the shops'' currencies';
comment on column live.device_history.last_at is 'Newest purchase';
comment on column live.device_history.user_ids is 'Customers who used it, in the order they were met, 64 at most';
comment on column live.device_history.users_before is 'How many of user_ids were known before the last batch with the device';

create table live.merchant_history (
    merchant text collate "C" primary key,
    transactions bigint not null,
    amount_cents bigint not null,
    last_at timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 2000);

comment on table live.merchant_history is 'What is known of each merchant. One row per merchant.';
comment on column live.merchant_history.merchant is 'Name of the merchant';
comment on column live.merchant_history.transactions is 'Purchases made there';
comment on column live.merchant_history.amount_cents is 'Sum of those purchases, in hundredths of the shop''s currency';
comment on column live.merchant_history.last_at is 'Newest purchase';

-- The stream keeps customers' messages in the lake only; here it remembers which it has met.
create table live.message_arrivals (
    message_id text not null,
    event_timestamp timestamptz not null,
    source_partition smallint not null,
    source_offset bigint not null,
    primary key (message_id, event_timestamp)
) partition by range (event_timestamp);

comment on table live.message_arrivals is 'Messages of customers that were accepted: what tells a repetition. One row per message.';
comment on column live.message_arrivals.message_id is 'Identity of the message';
comment on column live.message_arrivals.event_timestamp is 'When it was sent';
comment on column live.message_arrivals.source_partition is 'Kafka partition it was read from';
comment on column live.message_arrivals.source_offset is 'Kafka offset within that partition';

alter table ops.batches add column messages bigint not null default 0;
comment on column ops.batches.messages is 'Messages of customers accepted';

reset role;

grant usage on schema live to payments_api;
grant select on
    live.customer_history, live.device_history, live.merchant_history, live.fraud_scores
    to payments_api;
