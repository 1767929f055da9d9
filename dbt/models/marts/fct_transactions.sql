with

transactions as (
    select * from {{ ref('stg_transactions') }}
),

flagged as (
    select
        transactions.*,
        {{ calendar_of('transactions.event_timestamp') }}
    from transactions
)

select * from flagged
