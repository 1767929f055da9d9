-- What lets one stream process finish what another, or one with a lost checkpoint, began.

set local role payments_owner;

create table ops.begun_batches (
    query text primary key,
    batch_id bigint not null,
    offsets jsonb not null,
    begun_at timestamptz not null default clock_timestamp()
);

comment on table ops.begun_batches is 'The newest batch that each stream began to write, written before the first row of it is stored anywhere. One row per query.';
comment on column ops.begun_batches.query is 'Id of the streaming query';
comment on column ops.begun_batches.batch_id is 'Batch within the query';
comment on column ops.begun_batches.offsets is 'Per topic and partition its first and last offset';
comment on column ops.begun_batches.begun_at is 'When it was begun';

reset role;
