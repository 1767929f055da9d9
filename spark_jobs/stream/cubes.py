"""The running aggregates that a batch adds to the speed layer, computed in Arrow."""

import pyarrow as pa
import pyarrow.compute as pc

PAYMENT_MINUTE_KEY = ["minute", "currency", "merchant_segment"]
DECLINE_MINUTE_KEY = ["minute", "decline_reason", "currency"]
NO_REASON = "unstated"
"""Stands for the reason of a decline that names none."""


def payment_minutes(payments: pa.Table) -> pa.Table:
    """Attempts by minute of event time, currency and segment; columns as live.payment_minutes.

    Amounts are integers of the currency's minor unit; dollars of a currency without a rate count as 0.
    """
    approved = payments.column("is_approved")
    first = pc.equal(payments.column("attempt_number"), 1)
    dollars = pc.fill_null(payments.column("amount_usd_minor"), 0)
    measures = {
        "attempts": pc.cast(pc.is_valid(payments.column("event_id")), pa.int64()),
        "approved": _count(approved),
        "first_attempts": _count(first),
        "first_attempts_approved": _count(pc.and_(first, approved)),
        "amount_minor": payments.column("amount_minor"),
        "approved_amount_minor": _where(approved, payments.column("amount_minor")),
        "amount_usd_minor": dollars,
        "approved_amount_usd_minor": _where(approved, dollars),
        "fee_minor": payments.column("fee_minor"),
        "latency_ms": pc.cast(payments.column("processing_latency_ms"), pa.int64()),
        "high_risk": _count(pc.equal(payments.column("risk_tier"), "HIGH")),
        "late": _count(payments.column("is_late")),
    }
    keys = {"minute": _minute(payments), **{name: payments.column(name) for name in PAYMENT_MINUTE_KEY[1:]}}
    return _summed(keys, measures)


def decline_minutes(payments: pa.Table) -> pa.Table:
    """Declined attempts by minute of event time, reason and currency; columns as live.decline_minutes."""
    declined = payments.filter(pc.invert(payments.column("is_approved")))
    keys = {
        "minute": _minute(declined),
        "decline_reason": pc.fill_null(declined.column("decline_reason"), NO_REASON),
        "currency": declined.column("currency"),
    }
    measures = {
        "declines": pc.cast(pc.is_valid(declined.column("event_id")), pa.int64()),
        "amount_minor": declined.column("amount_minor"),
        "amount_usd_minor": pc.fill_null(declined.column("amount_usd_minor"), 0),
    }
    return _summed(keys, measures)


def hours(payments: pa.Table) -> pa.Array:
    """The distinct hours of event time that the batch touches, in order."""
    return pc.unique(pc.floor_temporal(payments.column("event_timestamp"), unit="hour")).sort()


def _minute(rows: pa.Table) -> pa.ChunkedArray:
    return pc.floor_temporal(rows.column("event_timestamp"), unit="minute")


def _count(condition: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.fill_null(condition, False), pa.int64())


def _where(condition: pa.ChunkedArray, value: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(condition, value, 0)


def _summed(keys: dict[str, pa.ChunkedArray], measures: dict[str, pa.ChunkedArray]) -> pa.Table:
    """Sums of the measures per key, sorted by key so that concurrent writers lock rows in one order."""
    table = pa.table({**keys, **measures})
    summed = table.group_by(list(keys)).aggregate([(name, "sum") for name in measures])
    summed = summed.select([*keys, *(f"{name}_sum" for name in measures)]).rename_columns([*keys, *measures])
    return summed.sort_by([(key, "ascending") for key in keys])
