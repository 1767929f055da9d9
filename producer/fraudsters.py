"""Fraud as it is organised: campaigns in bursts, by rings that share devices, card testers and account thieves."""

from dataclasses import dataclass
from random import Random

from producer.draw import Weighted
from producer.purchases import Purchase, honest_3ds, money, route
from producer.world import Customer, Merchant, World

SHARE = 0.01
PATTERNS = Weighted.of({"ring": 0.40, "card_testing": 0.30, "account_takeover": 0.30})
CYCLE_MS = 150_000
BURST_MS = 30_000
QUIET_FACTOR = 0.4
BURST_FACTOR = 3.4
RING_SIZE = 6


@dataclass(slots=True)
class Campaign:
    """One fraudster at work."""

    pattern: str
    devices: tuple[str, ...]
    merchant: Merchant
    city: str
    purchases_left: int


class Fraudsters:
    """Decides when a purchase is fraudulent, and draws it."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._random = rng.random
        self._rings = [[self._fingerprint() for _ in range(3)] for _ in range(RING_SIZE)]
        self._testable = _shops(world, "Digital", "Gaming")
        self._costly = _shops(world, "Travel", "Retail")
        self._campaign = self._new_campaign()

    def share_at(self, at_ms: int, extra: float) -> float:
        """The share of purchases that is fraudulent at this instant; `extra` is an incident's addition."""
        is_burst = at_ms % CYCLE_MS < BURST_MS
        return SHARE * (BURST_FACTOR if is_burst else QUIET_FACTOR) + extra

    def buy(self, bits: int, transaction_id: str) -> Purchase:
        """The next fraudulent purchase."""
        if self._campaign.purchases_left <= 0:
            self._campaign = self._new_campaign()
        campaign, random = self._campaign, self._random
        campaign.purchases_left -= 1
        customer = self._world.customer(1 + int(self._world.customer_count * random()))
        amount = money(self._amount_usd(campaign), campaign.merchant.country)
        uses_3ds = random() < campaign.merchant.share_3ds * 0.6
        is_testing = campaign.pattern == "card_testing"
        return Purchase(
            bits=bits,
            transaction_id=transaction_id,
            customer=customer,
            merchant=campaign.merchant,
            amount=amount,
            amount_usd=amount * campaign.merchant.country.usd_rate,
            location=campaign.city if random() < 0.85 else customer.city,
            device_id=self._device(campaign),
            is_fraud=True,
            fraud_pattern=campaign.pattern,
            fraud_score=round(0.6 + 0.39 * random() if random() < 0.8 else 0.15 + 0.5 * random(), 4),
            aml_risk_score=_aml(customer, random()),
            device_trust_score=round(0.05 + 0.45 * random(), 4),
            velocity_score=round((0.6 if is_testing else 0.2) + 0.4 * random(), 4),
            uses_3ds=uses_3ds,
            three_ds_outcome=self._outcome() if uses_3ds else None,
            processor=route(campaign.merchant, self._world, random()),
        )

    def _new_campaign(self) -> Campaign:
        rng = self._rng
        pattern = PATTERNS.at(rng.random())
        country = rng.choice(self._world.countries)
        ring = rng.choice(self._rings)
        return Campaign(
            pattern=pattern,
            devices=tuple(ring) if pattern == "ring" else (self._fingerprint(),),
            merchant=rng.choice(self._testable if pattern == "card_testing" else self._costly),
            city=rng.choice(country.cities),
            purchases_left=3 + int(rng.random() * (60 if pattern == "card_testing" else 15)),
        )

    def _amount_usd(self, campaign: Campaign) -> float:
        if campaign.pattern == "card_testing":
            return 0.5 + 2.5 * self._random()
        return campaign.merchant.basket_usd * (1.5 + 4.0 * self._random())

    def _device(self, campaign: Campaign) -> str:
        """A stolen account is entered from a new device each time; the others mostly keep theirs."""
        if campaign.pattern == "account_takeover" or self._random() < 0.2:
            return self._fingerprint()
        return campaign.devices[int(self._random() * len(campaign.devices))]

    def _outcome(self) -> str:
        return "challenge_failed" if self._random() < 0.6 else honest_3ds(self._random())

    def _fingerprint(self) -> str:
        return f"d-{self._rng.getrandbits(48):012x}"


def _aml(customer: Customer, u: float) -> float:
    return round((0.45 if customer.country.is_high_risk else 0.15) + 0.4 * u, 4)


def _shops(world: World, *segments: str) -> list[Merchant]:
    """The shops of these segments, or all when a small world has none."""
    return [shop for shop in world.merchants if shop.segment in segments] or list(world.merchants)
