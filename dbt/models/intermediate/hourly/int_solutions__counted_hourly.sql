{{ config(indexes=[{'columns': ['hour', 'payment_solution', 'processor', 'card_network', 'merchant_segment'], 'unique': true}]) }}

{{ counted_hourly('solution_hours') }}
