{{ config(indexes=[{'columns': ['hour', 'risk_tier', 'amount_bucket', 'merchant_segment'], 'unique': true}]) }}

{{ counted_hourly('risk_hours') }}
