{#- Over an unchanged hour the batch layer, which counts the detail, and the stream's cube must be equal, row by row. -#}
{% test agrees_with_the_stream(model, cube) %}
{%- set columns = (['hour'] + cubes()[cube]['keys'] + cubes()[cube]['measures']) | join(', ') %}
with

trusted as (
    select hour
    from (
        {{ trusted_hours(model) }}
    ) as hours
    where hour > now() - interval '2 days' and is_trusted
),

batch as (
    select {{ columns }} from {{ model }} where hour in (select hour from trusted)
),

streamed as (
    select {{ columns }} from {{ source('live', cube) }} where hour in (select hour from trusted)
)

(select 'batch' as layer, batch.* from batch except all select 'batch', streamed.* from streamed)
union all
(select 'stream', streamed.* from streamed except all select 'stream', batch.* from batch)
{% endtest %}
