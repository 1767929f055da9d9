{{ config(indexes=[{'columns': ['hour', 'merchant_country', 'issuer_country', 'is_cross_border', 'merchant_segment'], 'unique': true}]) }}

{{ counted_hourly('geography_hours') }}
