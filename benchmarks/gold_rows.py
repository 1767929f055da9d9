"""Payments by the million, made inside Postgres: what a day of the stream would have left there, without the day."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from domain.contracts import reference
from domain.money import minor_unit_exponent

ONE_HOUR = timedelta(hours=1)
MERCHANTS = 400
HUNDREDTHS = 100
FRAUD_SHARE = 0.004
"""Of the purchases, how many are fraud by their checkout. Other checkouts tell the views nothing and are left out."""

Connection = psycopg.Connection[tuple[Any, ...]]
Told = Callable[[int, int], None]
"""Is told the number of the hour that was filled, and its rows; 0 when it had been filled before."""


def fill(connection: Connection, end: datetime, hours: int, payments_per_hour: int, told: Told) -> int:
    """Add the payments of whole hours up to `end`, hour by hour; returns the rows that were added.

    Each hour is one transaction with its minutes and its version, so a fill that was ended goes on where it was. The
    connection is autocommitting, of the owner of schema live or a superuser.
    """
    added = 0
    connection.execute("set timezone = 'UTC'")
    for number in range(hours):
        began = end - (hours - number) * ONE_HOUR
        rows = _fill_hour(connection, began, payments_per_hour)
        added += rows
        told(number + 1, rows)
    _settle(connection, end)
    return added


def _fill_hour(connection: Connection, began: datetime, payments: int) -> int:
    if connection.execute("select 1 from live.payment_hours where hour = %s", [began]).fetchone():
        return 0
    values = {**_choices(), "began": began, "payments": payments, "merchants": MERCHANTS, "fraud": FRAUD_SHARE}
    with connection.transaction():
        for table in ("payments", "transactions"):
            connection.execute("select live.ensure_partitions(%s, array[%s::date])", [table, began.date()])
        connection.execute("select setseed(%s)", [(began.timestamp() / 3600) % 1000 / 1000])
        for statement in (_PAYMENTS, _FRAUDS, _MINUTES, _DECLINE_MINUTES):
            connection.execute(statement, values)
        connection.execute("insert into live.payment_hours values (%s, 1)", [began])
    return payments


def _settle(connection: Connection, end: datetime) -> None:
    """Say how far the rows reach, and give the planner what autovacuum would have by then."""
    connection.execute(
        "insert into live.progress values ('filled', 1, %s, clock_timestamp()) on conflict (query) do update "
        "set newest_event_at = excluded.newest_event_at, committed_at = excluded.committed_at",
        [end],
    )
    for (index,) in connection.execute(_BLOCK_RANGE_INDEXES).fetchall():
        connection.execute("select brin_summarize_new_values(%s::regclass)", [index])
    for table in ("payments", "transactions", "payment_minutes", "decline_minutes", "payment_hours"):
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("live", table)))


def copy_cubes(connection: Connection) -> Iterator[tuple[str, int]]:
    """Give the stream's hourly cubes what the batch layer counted: the sums are the same. Name and rows of each."""
    for live, counted, columns in connection.execute(_CUBES).fetchall():
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("insert into {} ({}) select {} from {} on conflict do nothing").format(
            sql.Identifier("live", live), names, names, sql.Identifier("gold", counted)
        )
        yield live, connection.execute(statement).rowcount


def _choices() -> dict[str, list[Any]]:
    """A hundred picks of each kind, as often as its share says: one draw of a hundredth takes one."""
    known = reference()
    countries = _weighted({str(number): country["share"] for number, country in enumerate(known["countries"])})
    drawn = [known["countries"][int(number)] for number in countries]
    return {
        "countries": [country["code"] for country in drawn],
        "currencies": [country["currency"] for country in drawn],
        "issuers": [country["issuers"][place % len(country["issuers"])] for place, country in enumerate(drawn)],
        "units": [10 ** minor_unit_exponent(country["currency"]) for country in drawn],
        "rates": [known["currencies"][country["currency"]] for country in drawn],
        "segments": _weighted(known["segments"]),
        "networks": _weighted(known["networks"]),
        "processors": known["processors"]["names"],
        "solutions": known["solutions"]["names"],
        "reasons": list(known["decline_reasons"]),
    }


def _weighted(shares: Mapping[str, float]) -> list[str]:
    """A hundred names, each as often as its share; the last fills up."""
    names = [name for name, share in shares.items() for _ in range(round(share * HUNDREDTHS))]
    return (names + [list(shares)[-1]] * HUNDREDTHS)[:HUNDREDTHS]


# Draws first, facts from draws second: a draw that two facts share has to be drawn once. A merchant keeps its country
# and segment, few merchants sell much, amounts and latencies are log-normal, risk is rare, a retry follows a reason.
_PAYMENTS = """
insert into live.payments (
    event_id, transaction_id, event_timestamp,
    merchant_id, merchant_segment, merchant_country, issuer_country, issuer, card_network, card_bin,
    amount_minor, amount_usd_minor, currency, payment_solution, processor, uses_3ds, three_ds_outcome, is_network_token,
    fraud_score, aml_risk_score, device_trust_score, velocity_score,
    attempt_number, previous_decline_reason, minutes_since_decline, is_approved, decline_reason,
    processing_latency_ms, fee_minor, pipeline_error, schema_version,
    risk_tier, amount_bucket, is_cross_border, composite_risk_score,
    is_late, arrived_at, source_partition, source_offset
)
with placed as (
    select
        drawn.*,
        1 + merchant %% 100 as home,
        coalesce(abroad, 1 + merchant %% 100) as issuer,
        luck < 0.9 - 0.35 * fraud_score - 0.05 * (attempt_number > 1)::integer as is_approved
    -- Not a step of its own: Postgres would write it to disk first.
    from (
        select
            n,
            %(began)s::timestamptz + (n - 1) * interval '1 hour' / %(payments)s as event_timestamp,
            (%(merchants)s * random() ^ 2)::integer %% %(merchants)s as merchant,
            case when random() < 0.85 then null else 1 + floor(random() * 100)::integer end as abroad,
            1 + floor(random() * 100)::integer as network,
            1 + floor(random() * 3)::integer as processor,
            1 + floor(random() ^ 2 * 3)::integer as solution,
            1 + floor(random() ^ 2 * cardinality(%(reasons)s::text[]))::integer as reason,
            1 + floor(random() ^ 2 * cardinality(%(reasons)s::text[]))::integer as earlier_reason,
            exp(3.4 + 1.1 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) as amount,
            exp(5.2 + 0.5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) as latency,
            random() ^ 4 as fraud_score,
            case when random() < 0.94 then 1 else 2 + floor(random() ^ 3 * 4)::integer end as attempt_number,
            random() as luck,
            random() as challenge,
            random() as rare
        from generate_series(1, %(payments)s) as n
    ) as drawn
),

priced as (
    select
        placed.*,
        greatest(1, floor(amount / (%(rates)s::double precision[])[home] * (%(units)s::integer[])[home]))::bigint
            as amount_minor
    from placed
)

select
    format('%%s-%%s', extract(epoch from %(began)s::timestamptz)::bigint, n),
    format('p%%s-%%s', extract(epoch from %(began)s::timestamptz)::bigint, n),
    event_timestamp,
    format('m-%%s', lpad(merchant::text, 5, '0')),
    (%(segments)s::text[])[1 + (merchant * 37) %% 100],
    (%(countries)s::text[])[home],
    (%(countries)s::text[])[issuer],
    (%(issuers)s::text[])[issuer],
    (%(networks)s::text[])[network],
    (400000 + issuer)::text,
    amount_minor,
    floor(amount_minor::numeric / (%(units)s::integer[])[home] * (%(rates)s::numeric[])[home] * 100 + 0.5)::bigint,
    (%(currencies)s::text[])[home],
    (%(solutions)s::text[])[solution],
    (%(processors)s::text[])[processor],
    (%(solutions)s::text[])[solution] = '3ds',
    case
        when (%(solutions)s::text[])[solution] <> '3ds' then null
        when challenge < 0.7 then 'frictionless'
        when challenge < 0.92 then 'challenge_passed'
        else 'challenge_failed'
    end,
    (%(solutions)s::text[])[solution] = 'network_token',
    fraud_score,
    fraud_score / 2,
    1 - fraud_score,
    fraud_score,
    attempt_number,
    case when attempt_number > 1 then (%(reasons)s::text[])[earlier_reason] end,
    case when attempt_number > 1 then exp(8 * challenge) end,
    is_approved,
    case when not is_approved then (%(reasons)s::text[])[reason] end,
    greatest(1, (latency * (0.7 + 0.3 * processor))::integer),
    amount_minor / 50,
    rare < 0.002,
    1,
    case when fraud_score < 0.3 then 'LOW' when fraud_score < 0.7 then 'MEDIUM' else 'HIGH' end,
    case when amount < 10 then 'micro' when amount < 100 then 'small' when amount < 1000 then 'medium' else 'large' end,
    (%(countries)s::text[])[home] <> (%(countries)s::text[])[issuer],
    fraud_score,
    rare > 0.999,
    event_timestamp,
    n %% 2,
    n
from priced
"""

_OF_THE_HOUR = (
    "from live.payments where event_timestamp >= %(began)s and event_timestamp < %(began)s + interval '1 hour'"
)

_FRAUDS = f"""
insert into live.transactions (
    transaction_id, event_timestamp, user_id, amount, merchant, is_fraud, payment_method, city, country, device_id,
    amount_category, is_high_value, is_late, arrived_at, source_partition, source_offset
)
select
    transaction_id, event_timestamp, source_offset %% 400000, amount_usd_minor / 100.0, merchant_id, true,
    'credit_card', null, merchant_country, 'd-' || source_offset %% 500000,
    amount_bucket, amount_usd_minor > 100000, false, arrived_at, source_partition, source_offset
{_OF_THE_HOUR} and attempt_number = 1 and random() < %(fraud)s
"""

_MINUTES = f"""
insert into live.payment_minutes (
    minute, currency, merchant_segment, attempts, approved, first_attempts, first_attempts_approved,
    amount_minor, approved_amount_minor, amount_usd_minor, approved_amount_usd_minor, fee_minor, latency_ms,
    high_risk, late
)
select
    date_trunc('minute', event_timestamp), currency, merchant_segment,
    count(*), count(*) filter (where is_approved),
    count(*) filter (where attempt_number = 1), count(*) filter (where attempt_number = 1 and is_approved),
    sum(amount_minor), coalesce(sum(amount_minor) filter (where is_approved), 0),
    sum(amount_usd_minor), coalesce(sum(amount_usd_minor) filter (where is_approved), 0),
    sum(fee_minor), sum(processing_latency_ms),
    count(*) filter (where risk_tier = 'HIGH'), count(*) filter (where is_late)
{_OF_THE_HOUR}
group by 1, 2, 3
"""

_DECLINE_MINUTES = f"""
insert into live.decline_minutes (minute, decline_reason, currency, declines, amount_minor, amount_usd_minor)
select
    date_trunc('minute', event_timestamp), decline_reason, currency, count(*), sum(amount_minor), sum(amount_usd_minor)
{_OF_THE_HOUR} and not is_approved
group by 1, 2, 3
"""

_BLOCK_RANGE_INDEXES = """
select index.oid::regclass::text
from pg_class as index
join pg_index on pg_index.indexrelid = index.oid
join pg_inherits on pg_inherits.inhrelid = pg_index.indrelid
where index.relam = (select oid from pg_am where amname = 'brin') and index.relkind = 'i'
    and pg_inherits.inhparent in ('live.payments'::regclass, 'live.transactions'::regclass)
"""

# A cube of the stream and its counterpart have the same columns, but for the version that the counterpart counted.
_CUBES = """
with columns as (
    select
        pg_class.relnamespace::regnamespace::text as place,
        pg_class.relname as name,
        array_agg(attname::text order by attname::text) filter (where attname <> 'version') as names
    from pg_class
    join pg_attribute on pg_attribute.attrelid = pg_class.oid
    where attnum > 0 and not attisdropped and relkind = 'r'
        and (relnamespace = 'live'::regnamespace and relname ~ '_hours$'
            or relnamespace = 'gold'::regnamespace and relname ~ '^int_')
    group by 1, 2
)

select live.name, gold.name, live.names
from columns as live
join columns as gold on gold.place = 'gold' and gold.names = live.names
where live.place = 'live' and live.names <> array['hour']
order by live.name
"""
