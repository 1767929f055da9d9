{{ config(indexes=[{'columns': ['hour', 'currency', 'merchant_segment'], 'unique': true}]) }}

{{ counted_hourly('financial_hours') }}
