"""The windowed tables counted again from the events, one purchase at a time, in plain Python."""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Purchase(NamedTuple):
    transaction_id: str
    at: datetime
    user_id: int | None
    amount: float
    merchant: str | None
    payment_method: str | None
    country: str | None
    device_id: str | None
    is_fraud: bool | None


class Table(NamedTuple):
    minutes: int
    every: int
    keys: tuple[str, ...]


TABLES = {
    "transactions_10m": Table(10, 10, ("merchant", "payment_method", "country")),
    "merchants_15m": Table(15, 5, ("merchant",)),
    "users_1h": Table(60, 60, ("user_id",)),
    "countries_30m": Table(30, 30, ("country",)),
    "platform_1h": Table(60, 60, ()),
}

Rows = dict[tuple[Any, ...], dict[str, Any]]
"""Measures by window start and keys."""


def expected(name: str, purchases: Iterable[Purchase]) -> Rows:
    """All rows of a table over these purchases."""
    table = TABLES[name]
    groups: dict[tuple[Any, ...], list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        start = EPOCH + timedelta(minutes=(purchase.at - EPOCH) // timedelta(minutes=table.every) * table.every)
        while start + timedelta(minutes=table.minutes) > purchase.at:
            groups[(start, *(getattr(purchase, key) for key in table.keys))].append(purchase)
            start -= timedelta(minutes=table.every)
    return {key: _measures(name, members) for key, members in groups.items()}


def _measures(name: str, members: list[Purchase]) -> dict[str, Any]:
    cents = sum(math.floor(one.amount * 100 + 0.5) for one in members)
    fraud = sum(bool(one.is_fraud) for one in members)

    def different(field: str) -> int:
        return len({getattr(one, field) for one in members} - {None})

    found: dict[str, Any] = {
        "transactions": len(members),
        "fraud_count": fraud,
        "fraud_rate": fraud / len(members),
        "mean_amount": cents / (100 * len(members)),
        "distinct_devices": different("device_id"),
    }
    if name == "users_1h":
        reasons = {
            "many_transactions": len(members) >= 6,
            "several_devices": different("device_id") >= 3,
            "several_countries": different("country") >= 2,
            "known_fraud": fraud >= 1,
        }
        fired = [reason for reason, fires in reasons.items() if fires]
        found |= {"spend_cents": cents, "spend": cents / 100, "suspicious_reasons": fired, "is_suspicious": bool(fired)}
        found["payment_methods"] = sorted({one.payment_method for one in members if one.payment_method is not None})
    else:
        found |= {"revenue_cents": cents, "revenue": cents / 100, "distinct_users": different("user_id")}
    if name != "transactions_10m":
        found["distinct_payment_methods"] = different("payment_method")
    if name in ("users_1h", "countries_30m", "platform_1h"):
        found["distinct_merchants"] = different("merchant")
    if name in ("users_1h", "merchants_15m", "platform_1h"):
        found["distinct_countries"] = different("country")
    return found
