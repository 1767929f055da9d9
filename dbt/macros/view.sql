{#- Replaces a view in place. The adapter's own way, rename and drop, takes every view that reads this one with it until
    dbt comes to build that again; a reader in between would find nothing. Only when the columns change in a way that
    Postgres refuses to replace is the view dropped, in the same transaction. -#}
{% materialization view, adapter='postgres' %}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}

    {% call statement('main') -%}
        do $replace$
        begin
            create or replace view {{ target }} as (
                {{ sql }}
            );
        exception
            when invalid_table_definition then
                drop view {{ target }} cascade;
                create view {{ target }} as (
                    {{ sql }}
                );
        end
        $replace$
    {%- endcall %}

    {% do apply_grants(target, config.get('grants'), should_revoke=True) %}
    {% do persist_docs(target, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
