"""The running aggregates of a batch."""

from datetime import timedelta

from spark_jobs.stream import cubes

from .builders import NOON, payment, silver


def test_attempts_of_one_minute_currency_and_segment_share_a_row() -> None:
    declined = payment(
        is_approved=False, decline_reason="do_not_honor", attempt_number=2, risk_tier="HIGH", is_late=True
    )
    rows = cubes.payment_minutes(silver(payment(), declined)).to_pylist()
    assert rows == [
        {
            "minute": NOON,
            "currency": "EUR",
            "merchant_segment": "Retail",
            "attempts": 2,
            "approved": 1,
            "first_attempts": 1,
            "first_attempts_approved": 1,
            "amount_minor": 2468,
            "approved_amount_minor": 1234,
            "amount_usd_minor": 2666,
            "approved_amount_usd_minor": 1333,
            "fee_minor": 40,
            "latency_ms": 200,
            "high_risk": 1,
            "late": 1,
        }
    ]


def test_a_minute_ends_before_the_next_one_begins() -> None:
    last = payment(event_timestamp=NOON + timedelta(seconds=59, microseconds=999_999))
    rows = cubes.payment_minutes(silver(last, payment(event_timestamp=NOON + timedelta(minutes=1)))).to_pylist()
    assert [row["minute"] for row in rows] == [NOON, NOON + timedelta(minutes=1)]


def test_a_currency_without_a_dollar_rate_adds_no_dollars() -> None:
    rows = cubes.payment_minutes(silver(payment(currency="KWD", amount_usd_minor=None))).to_pylist()
    assert (rows[0]["amount_usd_minor"], rows[0]["amount_minor"]) == (0, 1234)


def test_rows_come_sorted_by_key_so_that_writers_lock_in_one_order() -> None:
    rows = cubes.payment_minutes(silver(payment(currency="USD"), payment(currency="EUR"))).to_pylist()
    assert [row["currency"] for row in rows] == ["EUR", "USD"]


def test_only_declines_are_counted_by_reason_and_a_missing_reason_is_named() -> None:
    rows = cubes.decline_minutes(
        silver(payment(), payment(is_approved=False), payment(is_approved=False, decline_reason="expired_card"))
    ).to_pylist()
    assert [(row["decline_reason"], row["declines"], row["amount_minor"]) for row in rows] == [
        ("expired_card", 1, 1234),
        ("unstated", 1, 1234),
    ]


def test_the_hours_of_a_batch_are_distinct_and_in_order() -> None:
    later = payment(event_timestamp=NOON + timedelta(hours=3, minutes=59))
    hours = cubes.hours(silver(later, payment(), payment())).to_pylist()
    assert hours == [NOON, NOON + timedelta(hours=3)]


def test_an_empty_batch_adds_nothing() -> None:
    assert cubes.payment_minutes(silver()).num_rows == 0
    assert cubes.decline_minutes(silver()).num_rows == 0
