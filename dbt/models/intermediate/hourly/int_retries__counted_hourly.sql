{{ config(indexes=[{'columns': ['hour', 'attempt_number', 'previous_decline_reason', 'wait_bucket'], 'unique': true}]) }}

{{ counted_hourly('retry_hours') }}
