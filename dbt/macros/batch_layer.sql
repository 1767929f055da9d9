{#- The batch layer counts whole hours that are over. An hour is counted again when its version, which the stream raises
    with every row it adds, is no longer the one that was counted. Version and detail are read by one statement, hence
    from one snapshot. An hour of which detail is gone is not counted again: the stream's cube is still right. -#}
{% macro hours_to_count(already_counted) -%}
    select
        payment_hours.hour,
        payment_hours.version
    from {{ source('live', 'payment_hours') }} as payment_hours
    where payment_hours.hour < (
        select date_trunc('hour', max(progress.newest_event_at), 'UTC')
        from {{ source('live', 'progress') }} as progress
    )
    and payment_hours.hour >= coalesce(
        (select min(detail_extent.complete_from) from {{ source('live', 'detail_extent') }} as detail_extent), '-infinity'
    )
    {%- if is_incremental() %}
    and not exists (
        select 1
        from {{ already_counted }} as counted
        where counted.hour = payment_hours.hour and counted.version = payment_hours.version
    )
    {%- endif %}
{%- endmacro %}

{#- Every hour that holds payments, and whether the batch layer counted it as it is now. -#}
{% macro trusted_hours(counted_by) -%}
    select
        payment_hours.hour,
        exists (
            select 1
            from {{ counted_by }} as counted
            where counted.hour = payment_hours.hour and counted.version = payment_hours.version
        ) as is_trusted
    from {{ source('live', 'payment_hours') }} as payment_hours
{%- endmacro %}

{#- Hours to be read by the minute, and from which on: those the batch layer cannot be trusted for, and those that a
    window cuts. -#}
{% macro hours_by_minute(hours, windows) -%}
    select
        hour,
        min(starts_at) as starts_at,
        bool_or(is_pending) as is_pending
    from (
        select hour, hour as starts_at, true as is_pending from {{ hours }} where not is_trusted
        union all
        select date_trunc('hour', window_start, 'UTC'), window_start, false
        from {{ windows }}
        where window_start < first_whole_hour
    ) as reasons
    group by hour
{%- endmacro %}

{#- Hours that maintenance took out of the speed layer leave the batch layer too. -#}
{% macro forget_hours_that_left(counted) -%}
    delete from {{ counted }} as counted
    where not exists (
        select 1 from {{ source('live', 'payment_hours') }} as payment_hours where payment_hours.hour = counted.hour
    )
{%- endmacro %}
