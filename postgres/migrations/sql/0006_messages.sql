-- What customers wrote and what it means.

set local role payments_owner;

create table live.messages (
    message_id text not null,
    event_timestamp timestamptz not null,
    transaction_id text,
    user_id integer not null,
    channel text not null,
    claimed_language text,
    language text,
    language_confidence double precision,
    sentiment text,
    sentiment_score double precision,
    entities jsonb not null,
    key_phrases text[] not null,
    summary text,
    summary_method text,
    text text,
    error text,
    arrived_at timestamptz not null,
    enriched_at timestamptz not null,
    batch_id bigint not null,
    primary key (message_id, event_timestamp)
) partition by range (event_timestamp);

create index on live.messages (batch_id);
create index on live.messages (transaction_id);

comment on table live.messages is 'What customers wrote, masked, and what the text analysis made of it. One row per message.';
comment on column live.messages.message_id is 'Identity of the message';
comment on column live.messages.event_timestamp is 'When it was sent';
comment on column live.messages.transaction_id is 'The purchase it is about; null where the customer does not say';
comment on column live.messages.user_id is 'Customer';
comment on column live.messages.channel is 'review, complaint, dispute or support';
comment on column live.messages.claimed_language is 'Language that the client claims, ISO 639-1; may be wrong or null';
comment on column live.messages.language is 'Language that the text is in, ISO 639-1; null where it cannot be told';
comment on column live.messages.language_confidence is 'Confidence in the best guess at the language, 0 to 1';
comment on column live.messages.sentiment is 'positive, neutral, negative, or unknown for languages without a lexicon; null after an error';
comment on column live.messages.sentiment_score is 'From -1, negative, to 1, positive; null where unknown';
comment on column live.messages.entities is 'What the text names: a list of {kind, value, currency}; numbers of cards and accounts, addresses and phone numbers masked';
comment on column live.messages.key_phrases is 'Phrases that say most about the text, best first';
comment on column live.messages.summary is 'Summary of a text over 1,000 characters, 400 at most';
comment on column live.messages.summary_method is 'llm or extractive; null without a summary';
comment on column live.messages.text is 'The text, masked and at most 10,000 characters; null when it could not be masked';
comment on column live.messages.error is 'Why the analysis failed; null when it succeeded';
comment on column live.messages.arrived_at is 'When the message reached Kafka';
comment on column live.messages.enriched_at is 'When it was analysed';
comment on column live.messages.batch_id is 'Batch of the analysis; the lake holds each batch once';

create table ops.message_progress (
    is_only boolean primary key default true check (is_only),
    stream text not null default gen_random_uuid()::text,
    batch_id bigint not null default 0,
    table_id text,
    version bigint,
    updated_at timestamptz not null default clock_timestamp()
);

comment on table ops.message_progress is 'How far the analysis of messages got. One row.';
comment on column ops.message_progress.is_only is 'Always true: there is one row';
comment on column ops.message_progress.stream is 'Name under which the lake knows the batches';
comment on column ops.message_progress.batch_id is 'Newest batch in live.messages';
comment on column ops.message_progress.table_id is 'Identity of the Silver table that was read';
comment on column ops.message_progress.version is 'Version of that table up to which every message is in live.messages';
comment on column ops.message_progress.updated_at is 'When this was last written';

insert into ops.message_progress default values;

create or replace function live.ensure_partitions(table_name text, days date[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    day date;
    partition text;
begin
    if table_name is null
        or table_name not in ('payments', 'transactions', 'fraud_scores', 'message_arrivals', 'messages')
    then
        raise exception 'live.ensure_partitions knows no table %', table_name;
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

reset role;
