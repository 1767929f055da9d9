"""The training set of each model: its request as it would have been asked, and what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.contracts import reference
from ml.datasets.examples import Examples, ripe, timely
from ml.datasets.source import Fingerprint, Source
from ml.errors import MlError
from ml.features.definitions import DEFINITIONS
from ml.policy import models, retry, risk

_RATES = ", ".join(f"('{code}', {rate!r})" for code, rate in sorted(reference()["currencies"].items()))
_USD = f"(select usd from (values {_RATES}) as rates(code, usd) where code = p.currency)"
_FIRST = "(select * from payments where attempt_number = 1)"


@dataclass(frozen=True)
class TrainingSet:
    """Examples with ripe labels, and what they were read from. `misdated`: rows left out for their instant."""

    model: str
    examples: Examples
    fingerprint: Fingerprint
    has_truth: bool
    misdated: int = 0


def read(model: str, source: Source, label_delay_days: float) -> TrainingSet:
    """The training set of a model. Raises MlError when there is nothing to learn from."""
    rows = source.read(_QUERIES[model](source.has_truth))
    if not rows.num_rows:
        raise MlError(f"There is nothing to train {model} from: no row with what it needs. {source.hint}")
    examples = timely(Examples(rows))
    misdated = rows.num_rows - examples.count
    if model == "smart_retry_policy":
        examples = _without_pending(examples)
    if models()[model].waits_for_labels:
        examples = ripe(examples, label_delay_days)
    return TrainingSet(model, examples, source.fingerprint(rows), source.has_truth, misdated)


def _fields(model: str, elsewhere: Mapping[str, str]) -> str:
    """The request's fields from the view they are in; `p` unless said otherwise."""
    names = [one.name for one in DEFINITIONS[model].fields]
    return ", ".join(f"{elsewhere.get(name, 'p.' + name)} as {name}" for name in names)


def _fraud(has_truth: bool) -> str:
    definition = DEFINITIONS["fraud_detection_model"]
    checkout = ("amount", "payment_method", "country", "event_timestamp")
    elsewhere = {name: f"t.{name}" for name in checkout}
    history = [one.name for one in definition.fields if one.name not in (*checkout, "issuer_country")]
    elsewhere |= {name: f"s.{name}" for name in history}
    look, truth = _joined(
        has_truth, "look", "left join truth w on w.transaction_id = t.transaction_id and w.look is not null"
    )
    return f"""
        select {_fields(definition.model, elsewhere)}, t.is_fraud::int as label, t.event_timestamp as at,
            t.user_id as card, coalesce(t.amount * {_USD}, t.amount) as amount_usd,
            p.merchant_segment, p.card_network, {look}
        from transactions t
        join scores s on s.transaction_id = t.transaction_id and s.event_timestamp = t.event_timestamp
        left join {_FIRST} p on p.transaction_id = t.transaction_id {truth}
        where t.is_fraud is not null
        order by t.event_timestamp, t.transaction_id"""


def _approval(has_truth: bool) -> str:
    chance, truth = _joined(has_truth, "p_approved", "left join truth w on w.event_id = p.event_id")
    return f"""
        select {_fields("approval_propensity_model", {})}, p.is_approved::int as label, p.event_timestamp as at,
            coalesce(p.amount * {_USD}, p.amount) as amount_usd, {chance}
        from payments p {truth}
        where p.is_approved is not null
        order by p.event_timestamp, p.event_id"""


def _risk(_: bool) -> str:
    reasons = ", ".join(f"'{reason}'" for reason in risk().suspicion_reasons)
    return f"""
        select {_fields("risk_scoring_model", {})}, p.event_timestamp as at,
            coalesce(p.amount * {_USD}, p.amount) as amount_usd,
            case when t.is_fraud then 2
                when p.decline_reason in ({reasons}) or p.aml_risk_score >= {risk().aml_from} then 1
                else 0 end as label
        from {_FIRST} p join transactions t on t.transaction_id = p.transaction_id
        where t.is_fraud is not null
        order by p.event_timestamp, p.event_id"""


def _routing(has_truth: bool) -> str:
    names = reference()["processors"]["names"]
    columns = [f"p_{name}" for name in names]
    chances = ", ".join(f"w.{column}" if has_truth else f"null::double as {column}" for column in columns)
    truth = "left join truth w on w.event_id = p.event_id" if has_truth else ""
    return f"""
        select {_fields("smart_routing_policy", {})}, p.is_approved::int as label, p.event_timestamp as at,
            p.merchant_id, coalesce(p.amount * {_USD}, p.amount) as amount_usd,
            coalesce(p.fee_amount * {_USD}, p.fee_amount) as fee_usd, {chances}
        from {_FIRST} p {truth}
        where p.is_approved is not null and p.processor in ({", ".join(f"'{name}'" for name in names)})
        order by p.event_timestamp, p.event_id"""


def _retry(has_truth: bool) -> str:
    elsewhere = {"previous_attempts": "p.attempt_number", "minutes_since_decline": "n.minutes_since_decline"}
    chances, truth = _joined(has_truth, "p_after", "left join truth w on w.event_id = p.event_id")
    chance, retrys_truth = "null::double as p_approved", ""
    if has_truth:
        chance, retrys_truth = "v.p_approved", "left join truth v on v.event_id = n.event_id"
    return f"""
        select {_fields("smart_retry_policy", elsewhere)}, p.event_timestamp as at,
            n.event_id is not null as is_retried, coalesce(n.is_approved, false)::int as label,
            coalesce(p.amount * {_USD}, p.amount) as amount_usd,
            coalesce(p.fee_amount * {_USD}, p.fee_amount) as fee_usd, {chances}, {chance}
        from payments p
        left join payments n on n.transaction_id = p.transaction_id and n.attempt_number = p.attempt_number + 1
        {truth} {retrys_truth}
        where not p.is_approved and p.decline_reason is not null
        order by p.event_timestamp, p.event_id"""


def _joined(has_truth: bool, column: str, join: str) -> tuple[str, str]:
    """A column of the truth and the join that brings it, or null and nothing."""
    return (f"w.{column}", join) if has_truth else (f"null::double as {column}", "")


def _without_pending(examples: Examples) -> Examples:
    """Without the newest declines: their retries may still be to come."""
    longest = np.timedelta64(int(max(retry().waits_minutes) * 60_000_000), "us")
    return examples.where(examples.at <= examples.at.max() - longest)


def retried(examples: Examples) -> Examples:
    """The declines after which another attempt was made."""
    mask = pc.fill_null(examples.rows.column("is_retried"), False)
    return Examples(pa.Table.filter(examples.rows, mask))


_QUERIES: Mapping[str, Callable[[bool], str]] = {
    "fraud_detection_model": _fraud,
    "approval_propensity_model": _approval,
    "risk_scoring_model": _risk,
    "smart_routing_policy": _routing,
    "smart_retry_policy": _retry,
}
