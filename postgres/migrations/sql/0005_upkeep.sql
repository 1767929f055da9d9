-- Upkeep: dead letters that were sent again, the record of maintenance, and the end of old days.

set local role payments_owner;

create table ops.redriven_letters (
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    reason text not null,
    redriven_at timestamptz not null default clock_timestamp(),
    sent_partition integer not null,
    sent_offset bigint not null,
    primary key (topic, partition, "offset")
);

comment on table ops.redriven_letters is 'Dead letters that were sent to their topic again. One row per dead letter, by where it lay in Kafka.';
comment on column ops.redriven_letters.topic is 'Kafka topic';
comment on column ops.redriven_letters.partition is 'Kafka partition of the refused message';
comment on column ops.redriven_letters."offset" is 'Kafka offset of the refused message';
comment on column ops.redriven_letters.reason is 'Why it had been refused';
comment on column ops.redriven_letters.redriven_at is 'When Kafka had acknowledged it again';
comment on column ops.redriven_letters.sent_partition is 'Kafka partition it was sent to';
comment on column ops.redriven_letters.sent_offset is 'Kafka offset it was given there';

create table ops.lake_maintenance (
    run_id bigint generated always as identity primary key,
    table_name text not null,
    step text not null,
    began_at timestamptz not null,
    ended_at timestamptz not null default clock_timestamp(),
    day date,
    files_before integer not null,
    files_after integer not null,
    rows bigint not null,
    newest_file_at timestamptz,
    error text
);
create index lake_maintenance_newest on ops.lake_maintenance (table_name, step, day, run_id);

comment on table ops.lake_maintenance is 'What maintenance did to the lake. One row per step on a table, or on a day of it, that changed something or failed.';
comment on column ops.lake_maintenance.run_id is 'Number of the row, rising';
comment on column ops.lake_maintenance.table_name is 'Delta table';
comment on column ops.lake_maintenance.step is 'compact, cluster, vacuum or retain';
comment on column ops.lake_maintenance.began_at is 'When the step began';
comment on column ops.lake_maintenance.ended_at is 'When it ended';
comment on column ops.lake_maintenance.day is 'Day of the table that was worked on; null when the step takes the whole table';
comment on column ops.lake_maintenance.files_before is 'Data files before; for vacuum the files that were deleted';
comment on column ops.lake_maintenance.files_after is 'Data files after; for vacuum 0';
comment on column ops.lake_maintenance.rows is 'Rows in those files; 0 for vacuum';
comment on column ops.lake_maintenance.newest_file_at is 'Newest data file of the day right after: what came later is not clustered';
comment on column ops.lake_maintenance.error is 'Why it failed; null when it succeeded';

-- Ends one daily partition of live, the oldest whose day and whose newest arrival lie before `first_day_kept`; returns its
-- name, or null when none is left. History that was loaded of late stays. What is derived of purchases goes after them.
-- One at a time, so that each lock on the parent is short: the caller sets lock_timeout.
create function live.drop_oldest_partition(first_day_kept date) returns text
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

comment on function live.drop_oldest_partition(date) is
    'Drops the oldest daily partition of live whose day and arrivals lie before a day, at least seven days ago; null when there is none.';

revoke all on function live.drop_oldest_partition(date) from public;
grant execute on function live.drop_oldest_partition(date) to payments_stream;

create table ops.reprocessings (
    run_id bigint generated always as identity primary key,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    first_day date not null,
    last_day date not null,
    tables text[] not null,
    changes_nothing boolean not null,
    error text
);

comment on table ops.reprocessings is 'Rebuilds of event dates from Bronze. One row per run.';
comment on column ops.reprocessings.run_id is 'Number of the run, rising';
comment on column ops.reprocessings.began_at is 'When it began';
comment on column ops.reprocessings.ended_at is 'When it ended; null while it runs, and when it was killed';
comment on column ops.reprocessings.first_day is 'First UTC event date';
comment on column ops.reprocessings.last_day is 'Last UTC event date, inclusive';
comment on column ops.reprocessings.tables is 'What was asked for: silver, scores, gold';
comment on column ops.reprocessings.changes_nothing is 'Whether it only compared';
comment on column ops.reprocessings.error is 'Why it failed; null when it did not';

create table ops.reprocessed_days (
    run_id bigint not null references ops.reprocessings,
    table_name text not null,
    day date not null,
    rows_before bigint not null,
    rows_after bigint not null,
    missing bigint not null,
    extra bigint not null,
    changed bigint not null,
    primary key (run_id, table_name, day)
);

comment on table ops.reprocessed_days is 'What a run found. One row per run, table and day.';
comment on column ops.reprocessed_days.run_id is 'Run';
comment on column ops.reprocessed_days.table_name is 'Delta table, or table of live with its schema';
comment on column ops.reprocessed_days.day is 'UTC event date; for dead letters the date on which they reached Kafka';
comment on column ops.reprocessed_days.rows_before is 'Settled rows that were there';
comment on column ops.reprocessed_days.rows_after is 'Settled rows that Bronze gives';
comment on column ops.reprocessed_days.missing is 'Rows that were not there';
comment on column ops.reprocessed_days.extra is 'Rows that should not have been there';
comment on column ops.reprocessed_days.changed is 'Rows with other values';

reset role;
