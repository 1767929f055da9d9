"""What customers write after a purchase, in their own language, and what their client claims that language is."""

from dataclasses import dataclass
from random import Random

from domain.money import minor_unit_exponent
from producer.draw import Weighted, derived_id
from producer.events import MESSAGES, Event, iso_text
from producer.purchases import Purchase
from producer.writing import Facts, Written, sentences, write

MESSAGE_NUMBER = 1000  # ids of messages; attempts count from 1
# The chance of a message and its kind, by what happened.
APPROVED = (0.006, Weighted.of({"review": 0.75, "support": 0.15, "complaint": 0.10}))
DECLINED = (0.06, Weighted.of({"support": 0.70, "complaint": 0.30}))
DEFRAUDED = (0.35, Weighted.of({"dispute": 0.90, "support": 0.10}))
UNLINKED_SHARE = 0.10
WRONG_LANGUAGE_SHARE = 0.08
NO_LANGUAGE_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message that a customer will write."""

    purchase: Purchase
    channel: str


def written(pending: PendingMessage, at_ms: int) -> Written:
    """The text of a message and the truth about it; both follow from the purchase's id alone."""
    purchase = pending.purchase
    currency = purchase.merchant.country.currency
    facts = Facts(
        merchant=purchase.merchant.name,
        amount=purchase.amount,
        currency=currency,
        decimals=minor_unit_exponent(currency),
        reference=purchase.transaction_id[:8],
        at_ms=at_ms,
    )
    return write(Random(purchase.bits), purchase.customer.language, pending.channel, facts)


class Writers:
    """Decides who writes, when, and what."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._random = rng.random

    def plan(self, purchase: Purchase, is_approved: bool, at_ms: int) -> tuple[int, PendingMessage] | None:
        """When a message about this purchase will be written, and which; mostly None."""
        is_victim = purchase.is_fraud and is_approved
        share, channels = DEFRAUDED if is_victim else APPROVED if is_approved else DECLINED
        if self._random() >= share:
            return None
        channel = channels.at(self._random())
        return at_ms + self._delay_ms(channel), PendingMessage(purchase, channel)

    def write(self, pending: PendingMessage, at_ms: int) -> Event:
        """The message as an event of this instant."""
        purchase = pending.purchase
        language = purchase.customer.language
        is_unlinked = self._random() < UNLINKED_SHARE
        message_id = derived_id(purchase.bits, MESSAGE_NUMBER)
        record = {
            "message_id": message_id,
            "timestamp": iso_text(at_ms),
            "transaction_id": None if is_unlinked else purchase.transaction_id,
            "user_id": purchase.customer.user_id,
            "channel": pending.channel,
            "language": self.claimed(language),
            "text": written(pending, at_ms).text,
        }
        return Event(MESSAGES, message_id, message_id, at_ms, record)

    def _delay_ms(self, channel: str) -> int:
        """Help is asked for within a minute or two; the rest is written minutes to days later."""
        if channel == "support":
            return int((5 + 115 * self._random()) * 1000)
        u = self._random()
        return int((20 + 172_800 * u**6) * 1000)

    def claimed(self, language: str) -> str | None:
        """What the client says the language is: mostly right, at times wrong or nothing."""
        u = self._random()
        if u < NO_LANGUAGE_SHARE:
            return None
        if u < NO_LANGUAGE_SHARE + WRONG_LANGUAGE_SHARE:
            return self._rng.choice([other for other in sentences() if other != language])
        return language
