{{ config(indexes=[{'columns': ['hour', 'processor', 'bucket'], 'unique': true}]) }}

{{ counted_hourly('latency_hours') }}
