{#- The hourly cubes, by the name of their table in schema live: keys beside the hour, what they sum, and of which
    attempts (all where that is not said). The stream declares the same in spark_jobs/stream/cubes.py. -#}
{% macro cubes() -%}
    {%- set common = [
        'attempts', 'approved', 'first_attempts', 'first_attempts_approved', 'amount_usd_minor',
        'approved_amount_usd_minor', 'fee_usd_minor', 'latency_ms',
    ] -%}
    {{ return({
        'solution_hours': {
            'keys': ['payment_solution', 'processor', 'card_network', 'merchant_segment'],
            'measures': common + ['network_tokens', 'pipeline_errors', 'late'],
        },
        'geography_hours': {
            'keys': ['merchant_country', 'issuer_country', 'is_cross_border', 'merchant_segment'],
            'measures': common,
        },
        'merchant_hours': {
            'keys': ['merchant_id', 'merchant_segment', 'merchant_country'],
            'measures': common,
        },
        'three_ds_hours': {
            'keys': ['uses_3ds', 'three_ds_outcome', 'card_network', 'issuer_country'],
            'measures': common + ['frictionless', 'challenges', 'challenges_passed'],
        },
        'risk_hours': {
            'keys': ['risk_tier', 'amount_bucket', 'merchant_segment'],
            'measures': common + ['fraud_score_micros', 'fraud_suspected', 'false_declines'],
        },
        'retry_hours': {
            'keys': ['attempt_number', 'previous_decline_reason', 'wait_bucket'],
            'measures': ['retries', 'recovered', 'amount_usd_minor', 'recovered_amount_usd_minor'],
            'only': 'attempt_number > 1',
        },
        'financial_hours': {
            'keys': ['currency', 'merchant_segment'],
            'measures': [
                'attempts', 'approved', 'amount_minor', 'approved_amount_minor', 'amount_usd_minor',
                'approved_amount_usd_minor', 'fee_minor', 'fee_usd_minor', 'false_declined_amount_usd_minor',
            ],
        },
        'decline_hours': {
            'keys': ['decline_reason', 'processor', 'merchant_segment', 'card_network', 'currency'],
            'measures': ['declines', 'amount_minor', 'amount_usd_minor'],
            'only': 'not is_approved',
        },
        'latency_hours': {
            'keys': ['processor', 'bucket'],
            'measures': ['attempts'],
        },
    }) }}
{%- endmacro %}

{#- The key of an attempt in a cube, where it is not simply a column of stg_payments. -#}
{% macro key_of_attempt(name) -%}
    {%- set expressions = {
        'three_ds_outcome': three_ds_outcome(),
        'attempt_number': 'least(attempt_number, 5)',
        'previous_decline_reason': "coalesce(previous_decline_reason, 'unstated')",
        'decline_reason': "coalesce(decline_reason, 'unstated')",
        'wait_bucket': wait_bucket(),
        'bucket': latency_bucket('processing_latency_ms'),
    } -%}
    {{ return(expressions.get(name, name)) }}
{%- endmacro %}

{#- What a cube sums over attempts. -#}
{% macro measure_of_attempts(name) -%}
    {%- set counted = {
        'attempts': 'true',
        'retries': 'true',
        'declines': 'true',
        'approved': 'is_approved',
        'recovered': 'is_approved',
        'first_attempts': 'attempt_number = 1',
        'first_attempts_approved': 'attempt_number = 1 and is_approved',
        'network_tokens': 'is_network_token',
        'pipeline_errors': 'is_pipeline_error',
        'late': 'is_late',
        'frictionless': is_frictionless(),
        'challenges': is_challenged(),
        'challenges_passed': is_challenge_passed(),
        'fraud_suspected': "not is_approved and decline_reason = 'fraud_suspected'",
        'false_declines': is_false_decline(),
    } -%}
    {%- set summed = {
        'amount_minor': ['amount_minor', 'true'],
        'approved_amount_minor': ['amount_minor', 'is_approved'],
        'amount_usd_minor': ['amount_usd_minor', 'true'],
        'approved_amount_usd_minor': ['amount_usd_minor', 'is_approved'],
        'recovered_amount_usd_minor': ['amount_usd_minor', 'is_approved'],
        'false_declined_amount_usd_minor': ['amount_usd_minor', is_false_decline()],
        'fee_minor': ['fee_minor', 'true'],
        'fee_usd_minor': [fee_usd_minor(), 'true'],
        'latency_ms': ['processing_latency_ms', 'true'],
        'fraud_score_micros': [
            'floor(least(greatest(fraud_score, 0), 1) * 1000000 + 0.5)::bigint', 'true'
        ],
    } -%}
    {%- if name in counted -%}
        {{ return('count(*) filter (where ' ~ counted[name] ~ ')') }}
    {%- endif -%}
    {{ return('coalesce(sum(' ~ summed[name][0] ~ ') filter (where ' ~ summed[name][1] ~ '), 0)::bigint') }}
{%- endmacro %}

{#- A model that counts a cube from the detail, hour by hour. One index scan per hour; a plain join would read all of
    history. -#}
{% macro counted_hourly(cube) -%}
{%- set declared = cubes()[cube] -%}
with

hours_to_count as (
    {{ hours_to_count(this) }}
)

select
    hours_to_count.hour,
    {%- for name in declared['keys'] + declared['measures'] %}
    counted.{{ name }},
    {%- endfor %}
    hours_to_count.version
from hours_to_count
cross join lateral (
    select
        {%- for name in declared['keys'] %}
        {{ key_of_attempt(name) }} as {{ name }},
        {%- endfor %}
        {%- for name in declared['measures'] %}
        {{ measure_of_attempts(name) }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('stg_payments') }}
    where
        event_timestamp >= hours_to_count.hour and event_timestamp < hours_to_count.hour + interval '1 hour'
        {%- if declared.get('only') %}
        and {{ declared['only'] }}
        {%- endif %}
    group by {% for _ in declared['keys'] %}{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
) as counted
{%- endmacro %}

{#- A cube with each hour from one layer: from the batch layer while that counted it as it is now, else from the stream.
    The hours are output from the side that is small, so that a reader's range of hours finds them by index; `offset 0`
    keeps the planner from reading the whole cube to join it. -#}
{% macro merged_hourly(cube, counted) -%}
    {%- set columns = cubes()[cube]['keys'] + cubes()[cube]['measures'] -%}
    select
        batch.hour,
        {%- for name in columns %}
        batch.{{ name }},
        {%- endfor %}
        true as is_from_batch
    from {{ counted }} as batch
    inner join {{ source('live', 'payment_hours') }} as payment_hours
        on batch.hour = payment_hours.hour and batch.version = payment_hours.version
    union all
    select
        hours.hour,
        {%- for name in columns %}
        streamed.{{ name }},
        {%- endfor %}
        false as is_from_batch
    from (
        {{ trusted_hours(counted) | indent(8) }}
    ) as hours
    cross join lateral (
        select *
        from {{ source('live', cube) }} as cube
        where cube.hour = hours.hour
        offset 0
    ) as streamed
    where not hours.is_trusted
{%- endmacro %}

{#- The columns that every view of attempts has, of a merged cube. -#}
{% macro outcome_and_money(cube) -%}
    {{ cube }}.attempts,
    {{ cube }}.approved,
    {{ cube }}.attempts - {{ cube }}.approved as declined,
    {{ share(cube ~ '.approved', cube ~ '.attempts') }} as approval_rate,
    {{ cube }}.first_attempts,
    {{ cube }}.first_attempts_approved,
    {{ share(cube ~ '.first_attempts_approved', cube ~ '.first_attempts') }} as first_attempt_approval_rate,
    ({{ cube }}.approved::numeric / nullif({{ cube }}.first_attempts, 0))::numeric(16, 6) as purchase_approval_rate,
    {{ cents_to_usd(cube ~ '.amount_usd_minor') }} as amount_usd,
    {{ cents_to_usd(cube ~ '.approved_amount_usd_minor') }} as approved_amount_usd,
    {{ cents_to_usd(cube ~ '.fee_usd_minor') }} as fee_usd,
    {{ cube }}.latency_ms,
    ({{ cube }}.latency_ms::numeric / nullif({{ cube }}.attempts, 0))::numeric(14, 3) as average_latency_ms,
    {{ cube }}.is_from_batch
{%- endmacro %}
