"""Purchases in order of time, each with what was known before it: columns of fraud_scores that models learn from."""

from collections import defaultdict, deque
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa

from domain.fraud import velocity_window_seconds
from domain.history import CustomerHistory, DeviceHistory, MerchantHistory, Purchase, features

LATELY = "user_transactions_30m"
"""Purchases of the customer in the half hour before this one; the stream keeps it beside domain.history's features."""

HISTORY_SCHEMA = [
    ("user_transactions", pa.int64()),
    ("user_amount_cents", pa.int64()),
    ("user_seconds_since_last", pa.float64()),
    ("user_devices", pa.int64()),
    ("is_new_device", pa.bool_()),
    ("device_transactions", pa.int64()),
    ("device_users", pa.int64()),
    ("merchant_transactions", pa.int64()),
    ("merchant_amount_cents", pa.int64()),
    (LATELY, pa.int64()),
]
"""The same columns as Arrow types them."""


class HistoryFold:
    """Folds purchases as the stream does; they must come in order of time."""

    def __init__(self) -> None:
        self._customers: dict[int, CustomerHistory] = {}
        self._devices: dict[str, DeviceHistory] = {}
        self._merchants: dict[str, MerchantHistory] = {}
        self._recent: dict[int, deque[datetime]] = defaultdict(deque)

    def add(self, purchase: Purchase) -> dict[str, Any]:
        """What was known before the purchase, by column; then it is known too."""
        customer = self._customers.get(purchase.user_id, CustomerHistory())
        device = self._devices.get(purchase.device_id, DeviceHistory())
        merchant = self._merchants.get(purchase.merchant, MerchantHistory())
        known = asdict(features(purchase, customer, device, merchant)) | {LATELY: self._lately(purchase)}
        self._customers[purchase.user_id] = customer.after(purchase)
        self._devices[purchase.device_id] = device.after(purchase)
        self._merchants[purchase.merchant] = merchant.after(purchase)
        return known

    def _lately(self, purchase: Purchase) -> int:
        recent = self._recent[purchase.user_id]
        while recent and (purchase.at - recent[0]).total_seconds() >= velocity_window_seconds():
            recent.popleft()
        recent.append(purchase.at)
        return len(recent) - 1
