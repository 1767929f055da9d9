{#- What an attempt is, said of the columns of stg_payments; facts and cubes share it. -#}

{% macro is_false_decline() -%}
    not is_approved and risk_tier = 'LOW'
    and coalesce(decline_reason in ('fraud_suspected', 'do_not_honor'), false)
{%- endmacro %}

{% macro three_ds_outcome() -%}
    case when uses_3ds then coalesce(three_ds_outcome, 'none') else 'none' end
{%- endmacro %}

{% macro is_frictionless() -%}
    uses_3ds and coalesce(three_ds_outcome = 'frictionless', false)
{%- endmacro %}

{% macro is_challenged() -%}
    uses_3ds and coalesce(starts_with(three_ds_outcome, 'challenge'), false)
{%- endmacro %}

{% macro is_challenge_passed() -%}
    uses_3ds and coalesce(three_ds_outcome = 'challenge_passed', false)
{%- endmacro %}

{% macro wait_bucket() -%}
    case
        when minutes_since_decline is null or minutes_since_decline = 'NaN' or minutes_since_decline < 0 then 'unknown'
        when minutes_since_decline < 5 then 'under_5_minutes'
        when minutes_since_decline < 60 then 'under_1_hour'
        when minutes_since_decline < 1440 then 'under_1_day'
        else 'longer'
    end
{%- endmacro %}

{#- Fees in US cents at the rate of their amount, halves up. Nearly all products fit 64 bits, where a division costs a
    fraction of one in numeric; for the rest `div` cuts exactly, but towards zero. -#}
{% macro fee_usd_minor() -%}
    case
        when amount_minor = 0 or amount_usd_minor is null then 0
        when fee_minor between 0 and 1000000000 and amount_usd_minor <= 1000000000
            then (2 * fee_minor * amount_usd_minor + amount_minor) / (2 * amount_minor)
        else (
            div(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric)
            - (mod(2 * fee_minor::numeric * amount_usd_minor + amount_minor, 2 * amount_minor::numeric) < 0)::integer
        )::bigint
    end
{%- endmacro %}

{#- A bucket holds latencies that differ from its middle by 1 % at most; its bounds grow by 1.01 / 0.99. -#}
{% macro latency_bucket(milliseconds) -%}
    ceil(ln(greatest({{ milliseconds }}, 1)::double precision) / ln(1.01::double precision / 0.99))::integer
{%- endmacro %}

{% macro latency_bucket_bound(bucket) -%}
    power(1.01::double precision / 0.99, {{ bucket }})::numeric(20, 6)
{%- endmacro %}

{% macro latency_bucket_middle(bucket) -%}
    (2 * power(1.01::double precision / 0.99, {{ bucket }}) / (1.01::double precision / 0.99 + 1))::numeric(14, 3)
{%- endmacro %}
