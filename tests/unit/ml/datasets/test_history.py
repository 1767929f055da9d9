"""The fold keeps with each purchase what was known before it, and nothing of itself."""

from datetime import UTC, datetime, timedelta

from domain.history import Purchase
from ml.datasets.history import HISTORY_SCHEMA, HistoryFold

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_purchase_is_known_only_to_those_after_it() -> None:
    fold = HistoryFold()
    first = fold.add(Purchase(1, "d-1", "Shop", 10.0, AT))
    second = fold.add(Purchase(1, "d-2", "Shop", 30.0, AT + timedelta(minutes=10)))
    assert set(first) == {name for name, _ in HISTORY_SCHEMA}
    assert first["user_transactions"] == first["merchant_transactions"] == first["user_transactions_30m"] == 0
    assert first["user_seconds_since_last"] is None
    assert second["user_amount_cents"] == 1000
    assert second["is_new_device"]
    assert second["user_seconds_since_last"] == 600.0


def test_lately_is_half_an_hour_open_at_its_beginning() -> None:
    fold = HistoryFold()
    minutes = (0, 10, 30, 31, 61)
    found = [fold.add(Purchase(1, "d", "Shop", 1.0, AT + timedelta(minutes=at))) for at in minutes]
    assert [row["user_transactions_30m"] for row in found] == [0, 1, 1, 2, 0]
