{{ config(indexes=[{'columns': ['hour', 'merchant_id', 'merchant_segment', 'merchant_country'], 'unique': true}]) }}

{{ counted_hourly('merchant_hours') }}
