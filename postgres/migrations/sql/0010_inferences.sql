-- What models answered: the record by which they are watched, compared, and held to account.

set local role payments_owner;

create table ops.inferences (
    request_id uuid not null,
    scored_at timestamptz not null,
    model text not null,
    version integer not null,
    arm text not null check (arm in ('champion', 'challenger', 'canary', 'shadow')),
    experiment text,
    split_key text,
    transaction_id text,
    merchant_id text,
    request jsonb not null,
    score double precision not null,
    scores jsonb,
    decision text not null,
    policy_rules text[] not null,
    reasons jsonb not null,
    latency_us integer not null,
    primary key (scored_at, request_id, model, version)
) partition by range (scored_at);
create index inferences_transaction on ops.inferences (transaction_id) where transaction_id is not null;
create index inferences_model on ops.inferences (model, scored_at);

comment on table ops.inferences is 'Answers of models. One row per request, model and version, kept for 90 days; a partition per UTC day.';
comment on column ops.inferences.request_id is 'The request; a decision asks several models with one';
comment on column ops.inferences.scored_at is 'When it came';
comment on column ops.inferences.model is 'Registered name of the model';
comment on column ops.inferences.version is 'Registered version';
comment on column ops.inferences.arm is 'champion, challenger, canary, or shadow: one whose answer nobody saw';
comment on column ops.inferences.experiment is 'The experiment that chose the arm; null without one';
comment on column ops.inferences.split_key is 'The stable key that was hashed for that; null where none was';
comment on column ops.inferences.transaction_id is 'The purchase, when the caller named it';
comment on column ops.inferences.merchant_id is 'The merchant, when the caller named it';
comment on column ops.inferences.request is 'The fields as the model saw them; null for what was missing';
comment on column ops.inferences.score is 'P(positive class), or of the tier, processor or wait that was chosen; 0..1';
comment on column ops.inferences.scores is 'Probability per class, processor or wait in minutes';
comment on column ops.inferences.decision is 'What was answered';
comment on column ops.inferences.policy_rules is 'Rules that held beside the model';
comment on column ops.inferences.reasons is 'What contributed most: a list of feature, value, contribution, text';
comment on column ops.inferences.latency_us is 'From the decoded request to the answer, microseconds';

-- Rows for a day that has no partition yet make it first: answers come all day, and nobody else prepares the next.
create function ops.ensure_inference_days(days date[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    day date;
    partition text;
begin
    for day in select distinct d from unnest(days) as d where d is not null order by d loop
        if day not between (clock_timestamp() at time zone 'UTC')::date - 8 and (clock_timestamp() at time zone 'UTC')::date + 2 then
            raise exception 'ops.ensure_inference_days makes days from a week ago until the day after tomorrow, not %', day;
        end if;
        partition := format('inferences_%s', to_char(day, 'YYYYMMDD'));
        continue when exists (select 1 from pg_class where relname = partition and relnamespace = 'ops'::regnamespace);
        perform pg_advisory_xact_lock(hashtextextended('ops.ensure_inference_days', 0));
        continue when exists (select 1 from pg_class where relname = partition and relnamespace = 'ops'::regnamespace);
        execute format('create table ops.%I (like ops.inferences including all)', partition);
        execute format(
            'alter table ops.inferences attach partition ops.%I for values from (%L) to (%L)',
            partition, day::timestamptz, (day + 1)::timestamptz
        );
        -- The record is added to, by the API alone; what new tables of ops give away by default is taken back.
        execute format('revoke all on ops.%I from payments_stream, payments_dbt', partition);
    end loop;
end
$$;

comment on function ops.ensure_inference_days(date[]) is
    'Adds missing daily partitions, by UTC day, of ops.inferences. Safe to call at once from many.';

create function ops.drop_oldest_inferences(first_day_kept date) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    found text;
begin
    if first_day_kept is null or first_day_kept > (clock_timestamp() at time zone 'UTC')::date - 7 then
        raise exception 'ops.drop_oldest_inferences keeps at least seven days, not those since %', first_day_kept;
    end if;
    select child.relname into found
    from pg_inherits
    join pg_class child on child.oid = inhrelid
    where inhparent = 'ops.inferences'::regclass and to_date(right(child.relname, 8), 'YYYYMMDD') < first_day_kept
    order by child.relname
    limit 1;
    if found is not null then
        execute format('drop table ops.%I', found);
    end if;
    return found;
end
$$;

comment on function ops.drop_oldest_inferences(date) is
    'Drops the oldest daily partition of ops.inferences before a day, at least seven days ago; null when there is none.';

revoke all on function ops.ensure_inference_days(date[]), ops.drop_oldest_inferences(date) from public;
grant execute on function ops.ensure_inference_days(date[]) to payments_api;
grant execute on function ops.drop_oldest_inferences(date) to payments_stream;

revoke all on ops.inferences from payments_stream, payments_dbt;
grant select, insert on ops.inferences to payments_api;
-- The watchers of models run as the stream's role, and read.
grant select on ops.inferences to payments_stream;

reset role;
