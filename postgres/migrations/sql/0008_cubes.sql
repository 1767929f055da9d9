-- Running aggregates by the hour, what maintenance says of the detail, and the agents' recommendations.

set local role payments_owner;

create table live.solution_hours (
    hour timestamptz not null,
    payment_solution text not null,
    processor text not null,
    card_network text not null,
    merchant_segment text not null,
    attempts bigint not null,
    approved bigint not null,
    first_attempts bigint not null,
    first_attempts_approved bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_usd_minor bigint not null,
    latency_ms bigint not null,
    network_tokens bigint not null,
    pipeline_errors bigint not null,
    late bigint not null,
    primary key (hour, payment_solution, processor, card_network, merchant_segment)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.solution_hours is 'Running totals of attempts, exact at every commit. One row per hour of event time, payment solution, processor, card network and segment.';
comment on column live.solution_hours.hour is 'Start of the UTC hour of event time';
comment on column live.solution_hours.payment_solution is 'standard, 3ds or network_token';
comment on column live.solution_hours.processor is 'Processor that carried the attempt';
comment on column live.solution_hours.card_network is 'Scheme of the card, such as Visa';
comment on column live.solution_hours.merchant_segment is 'Line of business of the merchant';
comment on column live.solution_hours.attempts is 'Authorisation attempts';
comment on column live.solution_hours.approved is 'Approved attempts';
comment on column live.solution_hours.first_attempts is 'First attempts of a purchase';
comment on column live.solution_hours.first_attempts_approved is 'Approved first attempts';
comment on column live.solution_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.solution_hours.approved_amount_usd_minor is 'Approved amount in US cents; a currency without a rate counts as 0';
comment on column live.solution_hours.fee_usd_minor is 'Fees in US cents, each at the rate of its amount and rounded to the cent; a currency without a rate counts as 0';
comment on column live.solution_hours.latency_ms is 'Sum of processing milliseconds';
comment on column live.solution_hours.network_tokens is 'Attempts with a network token in place of the card';
comment on column live.solution_hours.pipeline_errors is 'Attempts for which the processor reported a technical failure';
comment on column live.solution_hours.late is 'Attempts that arrived late';

create table live.geography_hours (
    hour timestamptz not null,
    merchant_country text not null,
    issuer_country text not null,
    is_cross_border boolean not null,
    merchant_segment text not null,
    attempts bigint not null,
    approved bigint not null,
    first_attempts bigint not null,
    first_attempts_approved bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_usd_minor bigint not null,
    latency_ms bigint not null,
    primary key (hour, merchant_country, issuer_country, is_cross_border, merchant_segment)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.geography_hours is 'Running totals of attempts, exact at every commit. One row per hour of event time, pair of countries and segment.';
comment on column live.geography_hours.hour is 'Start of the UTC hour of event time';
comment on column live.geography_hours.merchant_country is 'ISO 3166-1 alpha-2 code of the merchant';
comment on column live.geography_hours.issuer_country is 'ISO 3166-1 alpha-2 code of the card issuer';
comment on column live.geography_hours.is_cross_border is 'Whether merchant and issuer are in different countries';
comment on column live.geography_hours.merchant_segment is 'Line of business of the merchant';
comment on column live.geography_hours.attempts is 'Authorisation attempts';
comment on column live.geography_hours.approved is 'Approved attempts';
comment on column live.geography_hours.first_attempts is 'First attempts of a purchase';
comment on column live.geography_hours.first_attempts_approved is 'Approved first attempts';
comment on column live.geography_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.geography_hours.approved_amount_usd_minor is 'Approved amount in US cents; a currency without a rate counts as 0';
comment on column live.geography_hours.fee_usd_minor is 'Fees in US cents, each at the rate of its amount and rounded to the cent; a currency without a rate counts as 0';
comment on column live.geography_hours.latency_ms is 'Sum of processing milliseconds';

create table live.merchant_hours (
    hour timestamptz not null,
    merchant_id text not null,
    merchant_segment text not null,
    merchant_country text not null,
    attempts bigint not null,
    approved bigint not null,
    first_attempts bigint not null,
    first_attempts_approved bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_usd_minor bigint not null,
    latency_ms bigint not null,
    primary key (hour, merchant_id, merchant_segment, merchant_country)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.merchant_hours is 'Running totals of attempts, exact at every commit. One row per hour of event time, merchant, with its segment and country.';
comment on column live.merchant_hours.hour is 'Start of the UTC hour of event time';
comment on column live.merchant_hours.merchant_id is 'Merchant';
comment on column live.merchant_hours.merchant_segment is 'Line of business of the merchant';
comment on column live.merchant_hours.merchant_country is 'ISO 3166-1 alpha-2 code of the merchant';
comment on column live.merchant_hours.attempts is 'Authorisation attempts';
comment on column live.merchant_hours.approved is 'Approved attempts';
comment on column live.merchant_hours.first_attempts is 'First attempts of a purchase';
comment on column live.merchant_hours.first_attempts_approved is 'Approved first attempts';
comment on column live.merchant_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.merchant_hours.approved_amount_usd_minor is 'Approved amount in US cents; a currency without a rate counts as 0';
comment on column live.merchant_hours.fee_usd_minor is 'Fees in US cents, each at the rate of its amount and rounded to the cent; a currency without a rate counts as 0';
comment on column live.merchant_hours.latency_ms is 'Sum of processing milliseconds';

create table live.three_ds_hours (
    hour timestamptz not null,
    uses_3ds boolean not null,
    three_ds_outcome text not null,
    card_network text not null,
    issuer_country text not null,
    attempts bigint not null,
    approved bigint not null,
    first_attempts bigint not null,
    first_attempts_approved bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_usd_minor bigint not null,
    latency_ms bigint not null,
    frictionless bigint not null,
    challenges bigint not null,
    challenges_passed bigint not null,
    primary key (hour, uses_3ds, three_ds_outcome, card_network, issuer_country)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.three_ds_hours is 'Running totals of attempts, exact at every commit. One row per hour of event time, use and outcome of 3-D Secure, card network and country of the issuer.';
comment on column live.three_ds_hours.hour is 'Start of the UTC hour of event time';
comment on column live.three_ds_hours.uses_3ds is 'Whether 3-D Secure was used';
comment on column live.three_ds_hours.three_ds_outcome is 'Outcome of 3-D Secure: frictionless, challenge_passed or challenge_failed; ''none'' when it was not used or the outcome is unknown';
comment on column live.three_ds_hours.card_network is 'Scheme of the card, such as Visa';
comment on column live.three_ds_hours.issuer_country is 'ISO 3166-1 alpha-2 code of the card issuer';
comment on column live.three_ds_hours.attempts is 'Authorisation attempts';
comment on column live.three_ds_hours.approved is 'Approved attempts';
comment on column live.three_ds_hours.first_attempts is 'First attempts of a purchase';
comment on column live.three_ds_hours.first_attempts_approved is 'Approved first attempts';
comment on column live.three_ds_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.three_ds_hours.approved_amount_usd_minor is 'Approved amount in US cents; a currency without a rate counts as 0';
comment on column live.three_ds_hours.fee_usd_minor is 'Fees in US cents, each at the rate of its amount and rounded to the cent; a currency without a rate counts as 0';
comment on column live.three_ds_hours.latency_ms is 'Sum of processing milliseconds';
comment on column live.three_ds_hours.frictionless is 'Attempts that passed 3-D Secure without a challenge';
comment on column live.three_ds_hours.challenges is 'Attempts whose payer was challenged by 3-D Secure';
comment on column live.three_ds_hours.challenges_passed is 'Attempts whose payer passed the challenge';

create table live.risk_hours (
    hour timestamptz not null,
    risk_tier text not null,
    amount_bucket text not null,
    merchant_segment text not null,
    attempts bigint not null,
    approved bigint not null,
    first_attempts bigint not null,
    first_attempts_approved bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_usd_minor bigint not null,
    latency_ms bigint not null,
    fraud_score_micros bigint not null,
    fraud_suspected bigint not null,
    false_declines bigint not null,
    primary key (hour, risk_tier, amount_bucket, merchant_segment)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.risk_hours is 'Running totals of attempts, exact at every commit. One row per hour of event time, risk tier, amount bucket and segment.';
comment on column live.risk_hours.hour is 'Start of the UTC hour of event time';
comment on column live.risk_hours.risk_tier is 'LOW, MEDIUM or HIGH by fraud_score';
comment on column live.risk_hours.amount_bucket is 'micro, small, medium or large by amount';
comment on column live.risk_hours.merchant_segment is 'Line of business of the merchant';
comment on column live.risk_hours.attempts is 'Authorisation attempts';
comment on column live.risk_hours.approved is 'Approved attempts';
comment on column live.risk_hours.first_attempts is 'First attempts of a purchase';
comment on column live.risk_hours.first_attempts_approved is 'Approved first attempts';
comment on column live.risk_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.risk_hours.approved_amount_usd_minor is 'Approved amount in US cents; a currency without a rate counts as 0';
comment on column live.risk_hours.fee_usd_minor is 'Fees in US cents, each at the rate of its amount and rounded to the cent; a currency without a rate counts as 0';
comment on column live.risk_hours.latency_ms is 'Sum of processing milliseconds';
comment on column live.risk_hours.fraud_score_micros is 'Sum of the fraud scores in millionths, each clamped to 0..1; what is no number counts as 1';
comment on column live.risk_hours.fraud_suspected is 'Attempts declined as fraud_suspected';
comment on column live.risk_hours.false_declines is 'Estimate of good payments that were declined: declined as fraud_suspected or do_not_honor at risk tier LOW';

create table live.retry_hours (
    hour timestamptz not null,
    attempt_number integer not null,
    previous_decline_reason text not null,
    wait_bucket text not null,
    retries bigint not null,
    recovered bigint not null,
    amount_usd_minor bigint not null,
    recovered_amount_usd_minor bigint not null,
    primary key (hour, attempt_number, previous_decline_reason, wait_bucket)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.retry_hours is 'Running totals of retries, exact at every commit. One row per hour of event time, number of the attempt, earlier reason and wait.';
comment on column live.retry_hours.hour is 'Start of the UTC hour of event time';
comment on column live.retry_hours.attempt_number is 'Number of the attempt, 2 for the first retry; 5 stands for five or more';
comment on column live.retry_hours.previous_decline_reason is 'Why the attempt before was declined; ''unstated'' when that is not said';
comment on column live.retry_hours.wait_bucket is 'Wait between the decline and the retry: under_5_minutes, under_1_hour, under_1_day, longer, or unknown when it is not said, negative or no number';
comment on column live.retry_hours.retries is 'Attempts after the first of a purchase';
comment on column live.retry_hours.recovered is 'Approved retries';
comment on column live.retry_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.retry_hours.recovered_amount_usd_minor is 'Approved amount of retries in US cents; a currency without a rate counts as 0';

create table live.financial_hours (
    hour timestamptz not null,
    currency text not null,
    merchant_segment text not null,
    attempts bigint not null,
    approved bigint not null,
    amount_minor bigint not null,
    approved_amount_minor bigint not null,
    amount_usd_minor bigint not null,
    approved_amount_usd_minor bigint not null,
    fee_minor bigint not null,
    fee_usd_minor bigint not null,
    false_declined_amount_usd_minor bigint not null,
    primary key (hour, currency, merchant_segment)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.financial_hours is 'Running totals of amounts, exact at every commit. One row per hour of event time, currency and segment.';
comment on column live.financial_hours.hour is 'Start of the UTC hour of event time';
comment on column live.financial_hours.currency is 'ISO 4217 code';
comment on column live.financial_hours.merchant_segment is 'Line of business of the merchant';
comment on column live.financial_hours.attempts is 'Authorisation attempts';
comment on column live.financial_hours.approved is 'Approved attempts';
comment on column live.financial_hours.amount_minor is 'Attempted amount in minor units of currency';
comment on column live.financial_hours.approved_amount_minor is 'Approved amount in minor units of currency';
comment on column live.financial_hours.amount_usd_minor is 'Attempted amount in US cents; a currency without a rate counts as 0';
comment on column live.financial_hours.approved_amount_usd_minor is 'Approved amount in US cents; a currency without a rate counts as 0';
comment on column live.financial_hours.fee_minor is 'Fees in minor units of currency';
comment on column live.financial_hours.fee_usd_minor is 'Fees in US cents, each at the rate of its amount and rounded to the cent; a currency without a rate counts as 0';
comment on column live.financial_hours.false_declined_amount_usd_minor is 'Amount of the false declines in US cents; a currency without a rate counts as 0';

create table live.decline_hours (
    hour timestamptz not null,
    decline_reason text not null,
    processor text not null,
    merchant_segment text not null,
    card_network text not null,
    currency text not null,
    declines bigint not null,
    amount_minor bigint not null,
    amount_usd_minor bigint not null,
    primary key (hour, decline_reason, processor, merchant_segment, card_network, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.decline_hours is 'Running totals of declines, exact at every commit. One row per hour of event time, reason, processor, segment, card network and currency.';
comment on column live.decline_hours.hour is 'Start of the UTC hour of event time';
comment on column live.decline_hours.decline_reason is 'Code of the decline taxonomy; ''unstated'' for a decline that gives none';
comment on column live.decline_hours.processor is 'Processor that carried the attempt';
comment on column live.decline_hours.merchant_segment is 'Line of business of the merchant';
comment on column live.decline_hours.card_network is 'Scheme of the card, such as Visa';
comment on column live.decline_hours.currency is 'ISO 4217 code';
comment on column live.decline_hours.declines is 'Declined attempts';
comment on column live.decline_hours.amount_minor is 'Declined amount in minor units of currency';
comment on column live.decline_hours.amount_usd_minor is 'Declined amount in US cents; a currency without a rate counts as 0';

create table live.latency_hours (
    hour timestamptz not null,
    processor text not null,
    bucket integer not null,
    attempts bigint not null,
    primary key (hour, processor, bucket)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

comment on table live.latency_hours is 'Running totals of processing times, a sketch of relative error 1 %, exact at every commit. One row per hour of event time, processor and bucket.';
comment on column live.latency_hours.hour is 'Start of the UTC hour of event time';
comment on column live.latency_hours.processor is 'Processor that carried the attempt';
comment on column live.latency_hours.bucket is 'Bucket of the processing time: the least k for which (1.01 / 0.99) ^ k ms is not below it; times under 1 ms are in bucket 0';
comment on column live.latency_hours.attempts is 'Authorisation attempts';

-- Chargebacks look the purchase of an approval up.
create index transactions_known_fraud on live.transactions (transaction_id) where is_fraud;

-- The batch layer counts no hour from detail of which a part is gone.
create table live.detail_extent (
    is_only boolean primary key default true check (is_only),
    complete_from timestamptz not null
);

comment on table live.detail_extent is 'From when on live.payments and live.transactions hold all that was accepted. One row.';
comment on column live.detail_extent.is_only is 'Always true: there is one row';
comment on column live.detail_extent.complete_from is 'First instant of event time from which no partition was ever dropped';

insert into live.detail_extent (complete_from) values ('-infinity');

create or replace function live.drop_oldest_partition(first_day_kept date) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    found record;
    newest timestamptz;
begin
    if first_day_kept is null or first_day_kept > (clock_timestamp() at time zone 'UTC')::date - 7 then
        raise exception 'live.drop_oldest_partition keeps at least seven days, not those since %', first_day_kept;
    end if;
    for found in
        select child.relname as partition, parent.relname as parent, right(child.relname, 8) as day
        from pg_inherits
        join pg_class child on child.oid = inhrelid
        join pg_class parent on parent.oid = inhparent
        where parent.relnamespace = 'live'::regnamespace and parent.relkind = 'p'
            and child.relname ~ '_[0-9]{8}$'
            and to_date(right(child.relname, 8), 'YYYYMMDD') < first_day_kept
        order by day, parent.relname not in ('payments', 'transactions'), child.relname
    loop
        if found.parent in ('payments', 'transactions') then
            execute format('select max(arrived_at) from live.%I', found.partition) into newest;
            continue when newest >= first_day_kept::timestamptz;
            update live.detail_extent
            set complete_from = greatest(complete_from, (to_date(found.day, 'YYYYMMDD') + 1)::timestamptz);
        else
            continue when exists (
                select 1 from pg_class
                where relnamespace = 'live'::regnamespace
                    and relname in ('payments_' || found.day, 'transactions_' || found.day)
            );
        end if;
        execute format('drop table live.%I', found.partition);
        return found.partition;
    end loop;
    return null;
end
$$;

create table ops.agent_recommendations (
    recommendation_id bigint generated always as identity primary key,
    agent text not null,
    type text not null,
    scope text not null,
    title text not null,
    rationale text not null,
    status text not null default 'open' check (status in ('open', 'accepted', 'rejected', 'expired', 'measured')),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    logical_date timestamptz not null,
    expected_effect_usd numeric(20, 2),
    expected_effect_low_usd numeric(20, 2),
    expected_effect_high_usd numeric(20, 2),
    confidence numeric(7, 6) check (confidence between 0 and 1),
    evidence jsonb not null,
    model text,
    prompt_hash text,
    is_fallback boolean not null default false,
    decided_at timestamptz,
    decided_by text,
    measured_effect_usd numeric(20, 2),
    measured_at timestamptz,
    unique (agent, logical_date, scope)
);

create index agent_recommendations_created_at on ops.agent_recommendations (created_at);

comment on table ops.agent_recommendations is 'What agents recommend and what became of it. One row per recommendation.';
comment on column ops.agent_recommendations.recommendation_id is 'Number of the recommendation';
comment on column ops.agent_recommendations.agent is 'Agent that made it';
comment on column ops.agent_recommendations.type is 'What is recommended, such as routing or retry';
comment on column ops.agent_recommendations.scope is 'Which payments it is about';
comment on column ops.agent_recommendations.title is 'The recommendation in one line';
comment on column ops.agent_recommendations.rationale is 'Why, for a person';
comment on column ops.agent_recommendations.status is 'open, accepted, rejected, expired (nobody decided in time) or measured (its effect is known)';
comment on column ops.agent_recommendations.created_at is 'When it was made';
comment on column ops.agent_recommendations.expires_at is 'Until when it can be decided; null for ever';
comment on column ops.agent_recommendations.logical_date is 'Start of the interval that the agent ran for; a run repeated for it makes no second recommendation';
comment on column ops.agent_recommendations.expected_effect_usd is 'Expected effect, US dollars a day';
comment on column ops.agent_recommendations.expected_effect_low_usd is 'Lower bound of the expected effect, US dollars a day';
comment on column ops.agent_recommendations.expected_effect_high_usd is 'Upper bound of the expected effect, US dollars a day';
comment on column ops.agent_recommendations.confidence is 'How sure the agent is, 0..1';
comment on column ops.agent_recommendations.evidence is 'The queries and the rows that it rests on';
comment on column ops.agent_recommendations.model is 'Language model that worded it; null without one';
comment on column ops.agent_recommendations.prompt_hash is 'Hash of the prompt; null without a model';
comment on column ops.agent_recommendations.is_fallback is 'Whether it was worded without the model because that did not answer';
comment on column ops.agent_recommendations.decided_at is 'When it was accepted or rejected';
comment on column ops.agent_recommendations.decided_by is 'Who decided';
comment on column ops.agent_recommendations.measured_effect_usd is 'Effect that was measured afterwards, US dollars a day';
comment on column ops.agent_recommendations.measured_at is 'When the effect was measured';

reset role;
