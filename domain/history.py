"""What is known of a customer, a device and a merchant before a purchase, and what each purchase adds to that.

The stream folds purchases of a batch in order of event time and keeps with each one what was known before it; serving
asks the same functions with the newest state. So what a model learns from is what it will be asked with.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Purchase:
    """The facts of a purchase that history is made of. `amount` is in units of the shop's currency."""

    user_id: int
    device_id: str
    merchant: str
    amount: float
    at: datetime

    @property
    def amount_cents(self) -> int:
        """The amount in hundredths, halves rounded up: whole numbers, whose sums depend on no order."""
        return math.floor(self.amount * 100 + 0.5)


@dataclass(frozen=True)
class Tally:
    """How many purchases, and their amounts in hundredths of the shop's currency."""

    transactions: int = 0
    amount_cents: int = 0

    def after(self, purchase: Purchase) -> "Tally":
        """The tally with one purchase more."""
        return Tally(self.transactions + 1, self.amount_cents + purchase.amount_cents)


@dataclass(frozen=True)
class CustomerHistory:
    """A customer: purchases, when the newest of them was, and which devices were used."""

    tally: Tally = Tally()
    last_at: datetime | None = None
    devices: frozenset[str] = frozenset()

    def after(self, purchase: Purchase) -> "CustomerHistory":
        """The history with one purchase more; one that comes late does not move `last_at` back."""
        last_at = purchase.at if self.last_at is None else max(self.last_at, purchase.at)
        return CustomerHistory(self.tally.after(purchase), last_at, self.devices | {purchase.device_id})


@dataclass(frozen=True)
class DeviceHistory:
    """A device: purchases made on it, and by which customers."""

    tally: Tally = Tally()
    users: frozenset[int] = frozenset()

    def after(self, purchase: Purchase) -> "DeviceHistory":
        """The history with one purchase more."""
        return DeviceHistory(self.tally.after(purchase), self.users | {purchase.user_id})


@dataclass(frozen=True)
class MerchantHistory:
    """A merchant: purchases made there."""

    tally: Tally = Tally()

    def after(self, purchase: Purchase) -> "MerchantHistory":
        """The history with one purchase more."""
        return replace(self, tally=self.tally.after(purchase))


@dataclass(frozen=True)
class HistoryFeatures:
    """What was known when a purchase was scored, itself left out; the names are columns of fraud_scores."""

    user_transactions: int
    user_amount_cents: int
    user_seconds_since_last: float | None
    user_devices: int
    is_new_device: bool
    device_transactions: int
    device_users: int
    merchant_transactions: int
    merchant_amount_cents: int


def features(
    purchase: Purchase, customer: CustomerHistory, device: DeviceHistory, merchant: MerchantHistory
) -> HistoryFeatures:
    """The features of a purchase from the histories before it.

    `user_seconds_since_last` is None for a first purchase and 0 for one that happened before the newest known.
    """
    since = None if customer.last_at is None else max(0.0, (purchase.at - customer.last_at).total_seconds())
    return HistoryFeatures(
        user_transactions=customer.tally.transactions,
        user_amount_cents=customer.tally.amount_cents,
        user_seconds_since_last=since,
        user_devices=len(customer.devices),
        is_new_device=purchase.device_id not in customer.devices,
        device_transactions=device.tally.transactions,
        device_users=len(device.users),
        merchant_transactions=merchant.tally.transactions,
        merchant_amount_cents=merchant.tally.amount_cents,
    )
