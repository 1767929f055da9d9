"""The views' figures computed from the attempts themselves, by the written definitions and by no SQL."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from domain.contracts import decline_reasons
from domain.money import minor_unit_exponent
from tests.integration.gold.speed_layer import NO_REASON, Attempt

Row = dict[str, object]


def _ratio(part: int, whole: int, places: int = 6) -> Decimal | None:
    if not whole:
        return None
    return (Decimal(part) / Decimal(whole)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _usd(attempts: Sequence[Attempt]) -> Decimal:
    return Decimal(sum(one.usd_minor or 0 for one in attempts)).scaleb(-2)


def _units(attempts: Sequence[Attempt], currency: str) -> Decimal:
    return Decimal(sum(one.amount_minor for one in attempts)).scaleb(-minor_unit_exponent(currency))


def kpis(attempts: Sequence[Attempt], since: datetime | None) -> Row:
    """What v_executive_kpis says of the attempts at or after `since`."""
    inside = [one for one in attempts if since is None or one.at >= since]
    approved = [one for one in inside if one.is_approved]
    first = [one for one in inside if one.attempt_number == 1]
    high = [one for one in inside if one.risk_tier == "HIGH"]
    cents = sum(one.usd_minor or 0 for one in inside)
    return {
        **_outcome(inside, approved, first),
        "amount_usd": _usd(inside),
        "approved_amount_usd": _usd(approved),
        "declined_amount_usd": _usd(inside) - _usd(approved),
        "average_ticket_usd": _ratio(cents, len(inside) * 100, 2),
        "average_latency_ms": _ratio(sum(one.latency_ms for one in inside), len(inside), 3),
        "high_risk": len(high),
        "high_risk_share": _ratio(len(high), len(inside)),
        "late": sum(one.is_late for one in inside),
    }


def trends(attempts: Sequence[Attempt]) -> dict[tuple[datetime, str, str], Row]:
    """What v_approval_trends_hourly says, by hour, segment and currency."""
    groups: dict[tuple[datetime, str, str], list[Attempt]] = defaultdict(list)
    for one in attempts:
        groups[one.hour, one.segment, one.currency].append(one)
    return {key: _trend(group, key[2]) for key, group in groups.items()}


def declines(attempts: Sequence[Attempt], since: datetime | None) -> dict[str, Row]:
    """What v_top_decline_reasons says of one window, by reason."""
    groups: dict[str, list[Attempt]] = defaultdict(list)
    for one in attempts:
        if not one.is_approved and (since is None or one.at >= since):
            groups[one.decline_reason or NO_REASON].append(one)
    ranked = sorted(groups, key=lambda reason: (-len(groups[reason]), reason))
    total = sum(map(len, groups.values()))
    return {reason: _decline(reason, groups[reason], rank, total) for rank, reason in enumerate(ranked, start=1)}


def _outcome(inside: Sequence[Attempt], approved: Sequence[Attempt], first: Sequence[Attempt]) -> Row:
    first_approved = sum(one.is_approved for one in first)
    return {
        "attempts": len(inside),
        "approved": len(approved),
        "declined": len(inside) - len(approved),
        "approval_rate": _ratio(len(approved), len(inside)),
        "first_attempts": len(first),
        "first_attempts_approved": first_approved,
        "first_attempt_approval_rate": _ratio(first_approved, len(first)),
    }


def _trend(group: Sequence[Attempt], currency: str) -> Row:
    approved = [one for one in group if one.is_approved]
    return {
        **_outcome(group, approved, [one for one in group if one.attempt_number == 1]),
        "amount": _units(group, currency),
        "approved_amount": _units(approved, currency),
        "amount_usd": _usd(group),
        "approved_amount_usd": _usd(approved),
        "average_latency_ms": _ratio(sum(one.latency_ms for one in group), len(group), 3),
    }


def _decline(reason: str, group: Sequence[Attempt], rank: int, total: int) -> Row:
    known = decline_reasons().get(reason)
    rate = None if known is None else Decimal(str(known.recovery_rate))
    recoverable = None if rate is None else (_usd(group) * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {
        "kind": known.kind if known else "unknown",
        "meaning": known.meaning if known else None,
        "declines": len(group),
        "share_of_declines": _ratio(len(group), total),
        "rank": rank,
        "amount_usd": _usd(group),
        "recovery_rate": rate,
        "recoverable_amount_usd": recoverable,
        "wait_minutes": known.wait_minutes if known else None,
    }
