{#- Calendar columns of an instant, all in UTC. Days of the week count from Monday, 1, to Sunday, 7. -#}
{% macro calendar_of(instant) -%}
    ({{ instant }} at time zone 'UTC')::date as event_date,
        date_trunc('hour', {{ instant }}, 'UTC') as event_hour,
        extract(isodow from {{ instant }} at time zone 'UTC')::integer as day_of_week,
        extract(isodow from {{ instant }} at time zone 'UTC') >= 6 as is_weekend
{%- endmacro %}
