{{ config(indexes=[{'columns': ['hour', 'uses_3ds', 'three_ds_outcome', 'card_network', 'issuer_country'], 'unique': true}]) }}

{{ counted_hourly('three_ds_hours') }}
