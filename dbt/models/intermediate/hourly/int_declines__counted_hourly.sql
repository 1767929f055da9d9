{{ config(indexes=[{'columns': ['hour', 'decline_reason', 'processor', 'merchant_segment', 'card_network', 'currency'], 'unique': true}]) }}

{{ counted_hourly('decline_hours') }}
