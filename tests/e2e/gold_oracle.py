"""The hourly gold views said once more, in SQL of DuckDB over the attempts and checkouts themselves.

`payments` and `checkouts` are tables with the columns of Silver, or of live.payments and live.transactions, from
whatever source. Nothing of the platform's own models, macros or cubes is used here.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from psycopg.rows import dict_row

EXAMPLES = 3
REFERENCE = Path(__file__).parents[2] / "contracts" / "reference.toml"
RELATIVE_ERROR = 0.0101
"""Of a percentile: one in a hundred, and what rounding to a thousandth of a millisecond adds."""

ATTEMPTS = """
    create or replace table attempts as
    select *, date_trunc('hour', event_timestamp::timestamp) as hour,
        coalesce(amount_usd_minor, 0)::hugeint as cents, 2 * amount_minor::hugeint as twice,
        2 * fee_minor::hugeint * coalesce(amount_usd_minor, 0) + amount_minor as fee_product,
        if(amount_minor = 0, 0, (fee_product - (fee_product % twice + twice) % twice) // twice) as fee_cents,
        not is_approved as is_declined, coalesce(decline_reason, 'unstated') as reason,
        not is_approved and risk_tier = 'LOW'
            and coalesce(decline_reason in ('do_not_honor', 'fraud_suspected'), false) as is_false,
        if(uses_3ds, coalesce(three_ds_outcome, 'none'), 'none') as outcome,
        if(isnan(fraud_score), 1, least(greatest(fraud_score, 0), 1)) as score,
        case coalesce((select exponent from exponents e where e.currency = payments.currency), 2)
            when 0 then 1.000 when 2 then 0.010 when 3 then 0.001 end as unit,
        is_approved and transaction_id in (select transaction_id from checkouts where is_fraud) as is_chargeback
    from payments
"""

_OUTCOME = """
    count(*) as attempts, count_if(is_approved) as approved, count_if(is_declined) as declined,
    count_if(is_approved) / count(*) as approval_rate, count_if(attempt_number = 1) as first_attempts,
    count_if(attempt_number = 1 and is_approved) as first_attempts_approved,
    if(first_attempts = 0, null, first_attempts_approved / first_attempts) as first_attempt_approval_rate,
    if(first_attempts = 0, null, approved / first_attempts) as purchase_approval_rate,
    dollars(sum(cents)) as amount_usd, dollars(sum(cents) filter (is_approved)) as approved_amount_usd,
    dollars(sum(fee_cents)) as fee_usd, sum(processing_latency_ms) as latency_ms,
    avg(processing_latency_ms) as average_latency_ms
"""


@dataclass(frozen=True)
class View:
    """A view's keys, as they are made of an attempt, its other columns, and what is counted."""

    keys: Mapping[str, str]
    columns: str
    rows: str = "attempts"


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _percentile(share: float) -> str:
    """The attempt of that rank when they stand in order, the lower of two."""
    return f"greatest(list_sort(list(processing_latency_ms))[floor({share} * (count(*) - 1))::int + 1], 1)"


VIEWS: Mapping[str, View] = {
    "v_solution_performance": View(
        _same("payment_solution", "processor", "card_network", "merchant_segment"),
        f"{_OUTCOME}, count_if(is_network_token) as network_tokens, count_if(pipeline_error) as pipeline_errors",
    ),
    "v_performance_by_geography": View(
        _same("merchant_country", "issuer_country", "is_cross_border", "merchant_segment"), _OUTCOME
    ),
    "v_merchant_performance": View(
        _same("merchant_id", "merchant_segment", "merchant_country"),
        f"{_OUTCOME}, approved_amount_usd - fee_usd as net_usd",
    ),
    "v_3ds_performance": View(
        {"uses_3ds": "uses_3ds", "three_ds_outcome": "outcome", **_same("card_network", "issuer_country")},
        f"""{_OUTCOME}, count_if(outcome = 'frictionless') as frictionless,
        count_if(outcome like 'challenge%') as challenges, count_if(outcome = 'challenge_passed') as challenges_passed,
        if(uses_3ds, frictionless / count(*), null) as frictionless_rate,
        if(uses_3ds, challenges / count(*), null) as challenge_rate,
        if(challenges = 0, null, challenges_passed / challenges) as challenge_success_rate""",
    ),
    "v_risk_distribution": View(
        _same("risk_tier", "amount_bucket", "merchant_segment"),
        f"""{_OUTCOME}, sum(floor(score * 1000000 + 0.5)) / 1000000 as fraud_score_sum,
        fraud_score_sum / count(*) as average_fraud_score,
        count_if(is_declined and reason = 'fraud_suspected') as fraud_suspected,
        count_if(is_false) as false_declines""",
    ),
    "v_retry_performance": View(
        {
            "attempt_number": "least(attempt_number, 5)",
            "previous_decline_reason": "coalesce(previous_decline_reason, 'unstated')",
            "reason_kind": "coalesce((select kind from reasons where code = previous_decline_reason), 'unknown')",
            "wait_bucket": """case when minutes_since_decline is null or isnan(minutes_since_decline)
                or minutes_since_decline < 0 then 'unknown' when minutes_since_decline < 5 then 'under_5_minutes'
                when minutes_since_decline < 60 then 'under_1_hour'
                when minutes_since_decline < 1440 then 'under_1_day' else 'longer' end""",
        },
        """count(*) as retries, count_if(is_approved) as recovered, recovered / retries as recovery_rate,
        dollars(sum(cents)) as amount_usd, dollars(sum(cents) filter (is_approved)) as recovered_amount_usd""",
        "(select * from attempts where attempt_number > 1)",
    ),
    "v_financial_summary": View(
        _same("currency", "merchant_segment"),
        """count(*) as attempts, count_if(is_approved) as approved,
        units(sum(amount_minor), unit) as amount,
        units(sum(amount_minor) filter (is_approved), unit) as approved_amount,
        units(sum(amount_minor) filter (is_declined), unit) as declined_amount,
        units(sum(fee_minor), unit) as fee, approved_amount - fee as net,
        dollars(sum(cents)) as amount_usd, dollars(sum(cents) filter (is_approved)) as approved_amount_usd,
        dollars(sum(cents) filter (is_declined)) as declined_amount_usd, dollars(sum(fee_cents)) as fee_usd,
        approved_amount_usd - fee_usd as net_usd,
        dollars(sum(cents) filter (is_declined and kind = 'soft')) as soft_declined_amount_usd,
        dollars(sum(cents) filter (is_declined and kind = 'hard')) as hard_declined_amount_usd,
        round(coalesce(sum(cents::decimal(30, 0) * recovery_rate) filter (is_declined), 0) * 0.01, 2)
            as recoverable_amount_usd,
        dollars(sum(cents) filter (is_false)) as false_declined_amount_usd,
        count_if(is_chargeback) as chargebacks,
        dollars(sum(cents) filter (is_chargeback)) as chargeback_amount_usd,
        if(approved = 0, null, chargebacks / approved) as chargeback_rate""",
        "(select * from attempts left join reasons on code = reason)",
    ),
    "v_system_performance": View(
        _same("processor"),
        f"""count(*) as attempts, {_percentile(0.5)} as latency_p50_ms, {_percentile(0.95)} as latency_p95_ms,
        {_percentile(0.99)} as latency_p99_ms, avg(processing_latency_ms) as average_latency_ms,
        sum(processing_latency_ms) as latency_ms, count_if(pipeline_error) as pipeline_errors,
        pipeline_errors / count(*) as error_rate, count_if(is_late) as late""",
    ),
    "v_latency_distribution_hourly": View(
        {"processor": "processor", "bucket": "ceil(ln(greatest(processing_latency_ms, 1)) / ln(1.01 / 0.99))::int"},
        "power(1.01::double / 0.99, bucket) as up_to_ms, count(*) as attempts",
    ),
    "v_decline_reasons_hourly": View(
        {
            "decline_reason": "reason",
            "kind": "coalesce(kind, 'unknown')",
            **_same("processor", "merchant_segment", "card_network"),
        },
        """count(*) as declines, dollars(sum(cents)) as amount_usd,
        sum(cents::decimal(30, 0) * recovery_rate) * 0.01 as recoverable_amount_usd""",
        "(select * from attempts left join reasons on code = reason where is_declined)",
    ),
}

BATCH_ONLY = frozenset({"chargebacks", "chargeback_amount_usd", "chargeback_rate"})
"""Columns that are null until the batch layer has counted the hour."""


def prepare(database: duckdb.DuckDBPyConnection) -> None:
    """Make what the views are computed of from the tables `payments` and `checkouts`."""
    reference = tomllib.loads(REFERENCE.read_text(encoding="utf-8"))
    database.execute("set timezone = 'UTC'")
    database.execute("create or replace table exponents (currency text, exponent int)")
    database.executemany("insert into exponents values (?, ?)", list(reference["minor_unit_exponents"].items()))
    database.execute("create or replace table reasons (code text, kind text, recovery_rate decimal(4, 3))")
    rows = [(code, one["kind"], one["recovery_rate"]) for code, one in reference["decline_reasons"].items()]
    database.executemany("insert into reasons values (?, ?, ?)", rows)
    database.execute("create or replace macro dollars(cents) as coalesce(cents, 0)::decimal(36, 0) * 0.01")
    database.execute(
        "create or replace macro units(minor, unit) as coalesce(minor, 0)::decimal(30, 0) * any_value(unit)"
    )
    database.execute(ATTEMPTS)


def expected(database: duckdb.DuckDBPyConnection, name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What a view should show, by hour and keys; after `prepare`."""
    view = VIEWS[name]
    keyed = ", ".join(f"{expression} as {key}" for key, expression in view.keys.items())
    replaced = ", ".join(view.keys)
    taken = database.execute(f"describe select * from {view.rows}").fetchall()
    clashing = [column for column, *_ in taken if column in view.keys]
    kept = f"* exclude ({', '.join(clashing)})" if clashing else "*"
    source = f"(select {kept}, {keyed} from {view.rows})"
    rows = database.execute(f"select hour, {replaced}, {view.columns} from {source} group by hour, {replaced}")
    columns = [one[0] for one in rows.description or []]
    return _by_key((dict(zip(columns, row, strict=True)) for row in rows.fetchall()), ["hour", *view.keys])


def shown(connection: psycopg.Connection[Any], name: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What a view shows, by hour and keys."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"select * from gold.{name}".encode()).fetchall()
    found = _by_key(rows, ["hour", *VIEWS[name].keys])
    if len(found) != len(rows):
        raise AssertionError(f"{name} shows the same hour and keys more than once")
    return found


def wrong_views(database: duckdb.DuckDBPyConnection, connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Per view that is not what its attempts give, what is wrong with it, in words; after `prepare`."""
    found = {name: _wrong(expected(database, name), shown(connection, name)) for name in VIEWS}
    return {name: wrong for name, wrong in found.items() if wrong}


def _by_key(rows: Any, keys: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(_plain(row[key]) for key in keys): row for row in rows}


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _wrong(wanted: dict[tuple[Any, ...], dict[str, Any]], found: dict[tuple[Any, ...], dict[str, Any]]) -> str:
    wrong = [f"{key}: shown, not expected" for key in found.keys() - wanted.keys()]
    wrong += [f"{key}: expected, not shown" for key in wanted.keys() - found.keys()]
    for key in wanted.keys() & found.keys():
        row = wanted[key]
        wrong += [
            f"{key}: {name} is {found[key][name]}, not {row[name]}"
            for name in row
            if not (name in BATCH_ONLY and found[key][name] is None) and not _equal(name, row[name], found[key][name])
        ]
    return f"{len(wrong)} differences, such as {'; '.join(wrong[:EXAMPLES])}" if wrong else ""


def _equal(name: str, wanted: Any, found: Any) -> bool:
    """Counts, sums and money to the last digit; what is divided to the digits that the view has."""
    if wanted is None or found is None:
        return wanted is found
    if name.startswith("latency_p"):
        return bool(abs(float(found) - wanted) <= RELATIVE_ERROR * wanted)
    if isinstance(wanted, float):
        digits = 3 if name.endswith("_ms") and name != "up_to_ms" else 6
        return bool(abs(float(found) - wanted) <= 0.51 * 10**-digits + 1e-12 * abs(wanted))
    return bool(_plain(found) == (Decimal(wanted) if isinstance(found, Decimal) else _plain(wanted)))
