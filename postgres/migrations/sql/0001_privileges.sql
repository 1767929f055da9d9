-- Who may do what in database payments. Nothing is public; each service has its own role.

revoke all on schema public from public;
revoke all on all functions in schema live from public;

grant usage on schema live, ops to payments_stream;
grant select, insert, update, delete on all tables in schema live, ops to payments_stream;
grant execute on function live.ensure_partitions(text, date[]) to payments_stream;
alter default privileges for role payments_owner in schema live, ops
    grant select, insert, update, delete on tables to payments_stream;

grant usage on schema live, ops to payments_dbt;
grant select on all tables in schema live, ops to payments_dbt;
alter default privileges for role payments_owner in schema live, ops grant select on tables to payments_dbt;

-- dbt makes its relations anew; the default keeps each of them readable.
grant usage on schema gold, ops to payments_api;
grant select on ops.batches, ops.dead_letter_counts, ops.expectation_results to payments_api;
alter default privileges for role payments_dbt in schema gold grant select on tables to payments_api;
