-- Who may ask what: keys of the API, the record of requests, and the view of an analyst on the payments of their merchants.

set local role payments_owner;

-- How far the stream is, without a look at what it is: the API compares it on each request.
create view ops.v_progress as
select
    max(newest_event_at) as newest_event_at,
    max(committed_at) as data_through,
    (array_agg(batch_id order by committed_at desc))[1] as last_batch_id
from live.progress;

comment on view ops.v_progress is 'How far the figures reach. One row.';
comment on column ops.v_progress.newest_event_at is 'Event time of the newest payment';
comment on column ops.v_progress.data_through is 'When the newest batch was committed';
comment on column ops.v_progress.last_batch_id is 'Number of that batch';

create table ops.api_keys (
    key_id bigint generated always as identity primary key,
    name text not null check (name ~ '\S' and length(name) <= 100),
    key_hash bytea not null unique check (length(key_hash) = 32),
    prefix text not null,
    scopes text[] not null check (cardinality(scopes) > 0),
    merchant_ids text[] check (cardinality(merchant_ids) > 0),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);

comment on table ops.api_keys is 'Keys of the API. One row per key; the key itself is kept nowhere.';
comment on column ops.api_keys.key_id is 'Number of the key';
comment on column ops.api_keys.name is 'Who or what uses it';
comment on column ops.api_keys.key_hash is 'SHA-256 of the key, which is 256 random bits';
comment on column ops.api_keys.prefix is 'First characters of the key, by which people recognise it';
comment on column ops.api_keys.scopes is 'What it is good for, such as analytics:read';
comment on column ops.api_keys.merchant_ids is 'The only merchants it may ask about; null for the whole business';
comment on column ops.api_keys.created_at is 'When it was made';
comment on column ops.api_keys.expires_at is 'From when on it is refused; null for never';
comment on column ops.api_keys.revoked_at is 'When it was revoked; null while it was not';
comment on column ops.api_keys.last_used_at is 'When a request last came with it';

create table ops.query_audit (
    audit_id bigint generated always as identity primary key,
    at timestamptz not null,
    key_id bigint,
    route text not null,
    parameters jsonb not null,
    status integer not null,
    row_count integer,
    duration_ms double precision not null,
    request_id text not null
);
create index query_audit_at on ops.query_audit using brin (at) with (pages_per_range = 32, autosummarize = on);
create index query_audit_key on ops.query_audit (key_id, audit_id) where key_id is not null;

comment on table ops.query_audit is 'Requests to the API. One row per request, kept for 90 days.';
comment on column ops.query_audit.audit_id is 'Number of the row, rising';
comment on column ops.query_audit.at is 'When the request came';
comment on column ops.query_audit.key_id is 'The key it came with; null without one, and with one that did not count';
comment on column ops.query_audit.route is 'Endpoint';
comment on column ops.query_audit.parameters is 'Query parameters: an object of lists of text';
comment on column ops.query_audit.status is 'HTTP status of the answer';
comment on column ops.query_audit.row_count is 'Rows in the answer; null where it has none';
comment on column ops.query_audit.duration_ms is 'From the request to the first byte of the answer, milliseconds';
comment on column ops.query_audit.request_id is 'X-Request-ID of the answer';

create table ops.analyst_merchants (
    role_name text not null,
    merchant_id text not null,
    granted_at timestamptz not null default clock_timestamp(),
    primary key (role_name, merchant_id)
);

comment on table ops.analyst_merchants is 'Which merchants an analyst sees. One row per login and merchant.';
comment on column ops.analyst_merchants.role_name is 'Login in Postgres: payments_analyst, or a member of it';
comment on column ops.analyst_merchants.merchant_id is 'Merchant';
comment on column ops.analyst_merchants.granted_at is 'When it was granted';

create table ops.pseudonym_secret (
    is_only boolean primary key default true check (is_only),
    secret text not null default gen_random_uuid()::text || gen_random_uuid()::text
);

comment on table ops.pseudonym_secret is 'What pseudonyms of customers and devices are made with. One row, made with the database.';
comment on column ops.pseudonym_secret.is_only is 'Always true: there is one row';
comment on column ops.pseudonym_secret.secret is 'Random text that is known to the owner of the tables alone';

insert into ops.pseudonym_secret default values;

-- What the defaults of earlier revisions give away, and these tables must not.
revoke all on ops.api_keys, ops.query_audit, ops.analyst_merchants, ops.pseudonym_secret
    from payments_stream, payments_dbt;

grant select on ops.v_progress to payments_api;
grant select on ops.api_keys to payments_api;
grant update (last_used_at) on ops.api_keys to payments_api;
grant select, insert on ops.query_audit to payments_api;
-- Maintenance ends old rows as the stream's role, and needs no more than their time for that.
grant select (at), delete on ops.query_audit to payments_stream;

reset role;

grant usage on schema ops to payments_access;
grant select, insert, update on ops.api_keys to payments_access;
grant select, insert, delete on ops.analyst_merchants to payments_access;

-- What an analyst sees. Not row-level security on live.payments: see docs/adr/0012.
create schema analyst authorization payments_owner;
set local role payments_owner;

-- A name for a customer or device: the same each time for one login, of no use with another one's.
create function analyst.pseudonym(kind text, identity text) returns text
language sql stable security definer parallel safe set search_path = pg_catalog, pg_temp as $$
    select kind || '-' || substr(
        encode(sha256(convert_to(secret || '/' || session_user || '/' || kind || '/' || identity, 'UTF8')), 'hex'), 1, 16
    )
    from ops.pseudonym_secret
    where identity is not null
$$;

comment on function analyst.pseudonym(text, text) is 'A stable name that leads back to nobody. Null for null.';

-- One hour of the payments that this login may see. A function and not a plain query, for the plan of a query tells its
-- reader how many rows of others were passed over; and session_user, for it stays the same whatever role is set.
create function analyst.payments_of_hour(wanted timestamptz) returns table (
    event_id text,
    transaction_id text,
    event_timestamp timestamptz,
    merchant_id text,
    merchant_segment text,
    merchant_country text,
    issuer_country text,
    card_network text,
    card_bin text,
    customer text,
    device text,
    payment_method text,
    amount_minor bigint,
    amount_usd_minor bigint,
    currency text,
    fee_minor bigint,
    payment_solution text,
    processor text,
    uses_3ds boolean,
    three_ds_outcome text,
    is_network_token boolean,
    fraud_score double precision,
    risk_tier text,
    amount_bucket text,
    is_cross_border boolean,
    attempt_number integer,
    previous_decline_reason text,
    minutes_since_decline double precision,
    is_approved boolean,
    decline_reason text,
    processing_latency_ms integer,
    is_late boolean
)
language sql stable security definer parallel restricted rows 1000 set search_path = pg_catalog, pg_temp as $$
    select
        payments.event_id,
        payments.transaction_id,
        payments.event_timestamp,
        payments.merchant_id,
        payments.merchant_segment,
        payments.merchant_country,
        payments.issuer_country,
        payments.card_network,
        left(payments.card_bin, 1) || repeat('*', length(payments.card_bin) - 1),
        analyst.pseudonym('customer', checkout.user_id::text),
        analyst.pseudonym('device', checkout.device_id),
        checkout.payment_method,
        payments.amount_minor,
        payments.amount_usd_minor,
        payments.currency,
        payments.fee_minor,
        payments.payment_solution,
        payments.processor,
        payments.uses_3ds,
        payments.three_ds_outcome,
        payments.is_network_token,
        payments.fraud_score,
        payments.risk_tier,
        payments.amount_bucket,
        payments.is_cross_border,
        payments.attempt_number,
        payments.previous_decline_reason,
        payments.minutes_since_decline,
        payments.is_approved,
        payments.decline_reason,
        payments.processing_latency_ms,
        payments.is_late
    from live.payments
    -- The checkout comes before its payments: by minutes as a rule, by days when one is tried again.
    left join lateral (
        select transactions.user_id, transactions.device_id, transactions.payment_method
        from live.transactions
        where transactions.transaction_id = payments.transaction_id
            and transactions.event_timestamp > payments.event_timestamp - interval '7 days'
            and transactions.event_timestamp < payments.event_timestamp + interval '1 hour'
        order by transactions.event_timestamp
        limit 1
    ) as checkout on true
    where payments.event_timestamp >= date_trunc('hour', wanted, 'UTC')
        and payments.event_timestamp < date_trunc('hour', wanted, 'UTC') + interval '1 hour'
        and payments.merchant_id in (
            select analyst_merchants.merchant_id
            from ops.analyst_merchants
            where analyst_merchants.role_name = session_user
        )
$$;

comment on function analyst.payments_of_hour(timestamptz) is
    'Authorisation attempts of one UTC hour at the merchants of the login, with card, customer and device masked.';

create view analyst.payments with (security_barrier) as
select
    payment_hours.hour as event_hour,
    seen.*
from live.payment_hours
cross join lateral analyst.payments_of_hour(payment_hours.hour) as seen;

comment on view analyst.payments is 'Authorisation attempts at the merchants of the login. Ask for a range of event_hour: each hour is read for itself. One row per attempt.';
comment on column analyst.payments.event_hour is 'UTC hour of the attempt';
comment on column analyst.payments.event_id is 'Identity of the attempt';
comment on column analyst.payments.transaction_id is 'Purchase that it belongs to';
comment on column analyst.payments.event_timestamp is 'When it was made';
comment on column analyst.payments.merchant_id is 'Merchant';
comment on column analyst.payments.merchant_segment is 'Line of business of the merchant';
comment on column analyst.payments.merchant_country is 'Country of the merchant';
comment on column analyst.payments.issuer_country is 'Country of the card issuer';
comment on column analyst.payments.card_network is 'Scheme of the card';
comment on column analyst.payments.card_bin is 'First digit of the card, the others masked';
comment on column analyst.payments.customer is 'Pseudonym of the customer for this login; null where the checkout is not known';
comment on column analyst.payments.device is 'Pseudonym of the device for this login; null where the checkout is not known';
comment on column analyst.payments.payment_method is 'Method chosen at the checkout; null where that is not known';
comment on column analyst.payments.amount_minor is 'Amount in the smallest unit of the currency';
comment on column analyst.payments.amount_usd_minor is 'Amount in US cents; null without a rate';
comment on column analyst.payments.currency is 'ISO 4217 code';
comment on column analyst.payments.fee_minor is 'Fee of the processor in the smallest unit of the currency';
comment on column analyst.payments.payment_solution is 'standard, 3ds or network_token';
comment on column analyst.payments.processor is 'Processor that carried the attempt';
comment on column analyst.payments.uses_3ds is 'Whether it went through 3-D Secure';
comment on column analyst.payments.three_ds_outcome is 'Outcome of 3-D Secure; null when it was not used';
comment on column analyst.payments.is_network_token is 'Whether a network token was used';
comment on column analyst.payments.fraud_score is 'Fraud score, 0 to 1';
comment on column analyst.payments.risk_tier is 'LOW, MEDIUM or HIGH by the fraud score';
comment on column analyst.payments.amount_bucket is 'micro, small, medium or large';
comment on column analyst.payments.is_cross_border is 'Whether merchant and issuer are in different countries';
comment on column analyst.payments.attempt_number is 'Which attempt of the purchase, from 1';
comment on column analyst.payments.previous_decline_reason is 'Why the attempt before was declined';
comment on column analyst.payments.minutes_since_decline is 'Minutes since that decline';
comment on column analyst.payments.is_approved is 'Whether it was approved';
comment on column analyst.payments.decline_reason is 'Why it was declined; null when approved';
comment on column analyst.payments.processing_latency_ms is 'Processing time, milliseconds';
comment on column analyst.payments.is_late is 'Whether it arrived after the watermark';

revoke all on function analyst.pseudonym(text, text), analyst.payments_of_hour(timestamptz) from public;
grant usage on schema analyst to payments_analyst;
grant select on analyst.payments to payments_analyst;
-- A view runs its functions as whoever asks.
grant execute on function analyst.payments_of_hour(timestamptz) to payments_analyst;

reset role;
