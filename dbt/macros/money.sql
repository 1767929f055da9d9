{% macro minor_to_units(amount_minor, exponent) -%}
    ({{ amount_minor }} / power(10::numeric, {{ exponent }}))::numeric(24, 3)
{%- endmacro %}

{% macro cents_to_usd(amount_usd_minor) -%}
    ({{ amount_usd_minor }} / 100.0)::numeric(20, 2)
{%- endmacro %}

{% macro share(part, whole) -%}
    ({{ part }}::numeric / nullif({{ whole }}, 0))::numeric(7, 6)
{%- endmacro %}
