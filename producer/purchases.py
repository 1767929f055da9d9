"""What a customer does at the checkout: picks a shop, an amount, a device, and is scored for risk."""

from dataclasses import dataclass
from random import Random

from producer.draw import Weighted, scramble
from producer.world import Country, Customer, Merchant, World

# Quantiles of a lognormal with median 1 and sigma 0.8, from which a basket's size is drawn.
BASKET_FACTORS = (
    0.16, 0.25, 0.32, 0.38, 0.44, 0.50, 0.57, 0.63, 0.70, 0.78, 0.86, 0.94,
    1.06, 1.16, 1.28, 1.43, 1.59, 1.75, 2.00, 2.27, 2.63, 3.13, 4.00, 6.20,
)  # fmt: skip


PUBLIC_DEVICES = 300  # in libraries, hotels and internet cafes


@dataclass(slots=True)
class Purchase:
    """One purchase and what is known when it is authorised; changed only by its own retries."""

    bits: int  # the 128 bits that its ids are made of
    transaction_id: str
    customer: Customer
    merchant: Merchant
    amount: float
    amount_usd: float
    location: str
    device_id: str
    is_fraud: bool
    fraud_pattern: str | None  # ring, card_testing, account_takeover
    fraud_score: float
    aml_risk_score: float
    device_trust_score: float
    velocity_score: float
    uses_3ds: bool
    three_ds_outcome: str | None
    processor: str
    attempt_number: int = 1
    previous_decline_reason: str | None = None
    declined_at_ms: int = 0
    minutes_since_decline: float = 0.0


def money(amount_usd: float, country: Country) -> float:
    """Dollars as an amount of the country's currency, in whole minor units and at least one."""
    minor = int(amount_usd / country.usd_rate * country.minor_scale + 0.5)
    return max(minor, 1) / country.minor_scale


class Shoppers:
    """Draws the purchases of honest customers."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._random = rng.random
        capitals = [country.cities[0] for country in world.countries]
        self._capitals = Weighted(capitals, [1.0] * len(capitals))

    def buy(self, bits: int, transaction_id: str) -> Purchase:
        """The next purchase."""
        random, world = self._random, self._world
        u = random()
        customer = world.customer(1 + int(world.customer_count * u * (0.4 + 0.6 * u)))
        merchant = self._shop(customer)
        basket = merchant.basket_usd * customer.spending * BASKET_FACTORS[int(random() * 24)] * (0.85 + 0.3 * random())
        amount = money(basket, merchant.country)
        is_new_device = random() < 0.02
        is_public_device = random() < 0.008
        is_abroad = random() < 0.03
        is_suspicious = random() < 0.025
        u = random()
        fraud_score = 0.5 + 0.48 * u if is_suspicious else 0.01 + 0.42 * u * u
        uses_3ds = random() < merchant.share_3ds
        return Purchase(
            bits=bits,
            transaction_id=transaction_id,
            customer=customer,
            merchant=merchant,
            amount=amount,
            amount_usd=amount * merchant.country.usd_rate,
            location=self._capitals.at(random()) if is_abroad else customer.city,
            device_id=self._device(customer, bits, is_new_device, is_public_device),
            is_fraud=False,
            fraud_pattern=None,
            fraud_score=round(fraud_score, 4),
            aml_risk_score=_aml(customer, random()),
            device_trust_score=round((0.3 if is_new_device else 0.62) + 0.35 * random(), 4),
            velocity_score=round(0.95 * random() if random() < 0.015 else 0.3 * random() * random(), 4),
            uses_3ds=uses_3ds,
            three_ds_outcome=honest_3ds(random()) if uses_3ds else None,
            processor=route(merchant, world, random()),
        )

    def _shop(self, customer: Customer) -> Merchant:
        """Half of the time a favourite, else any; mostly at home."""
        u = self._random()
        choice = (customer.favourite >> (int(u * 8) * 6) & 0x3F) / 64 if u < 0.5 else self._random()
        is_domestic = self._random() < 0.8
        shops = self._world.domestic_shops[customer.country.code] if is_domestic else self._world.shops
        return shops.at(choice)

    def _device(self, customer: Customer, bits: int, is_new: bool, is_public: bool) -> str:
        """One of the customer's own, mostly the first; or a new one; or one that many people use."""
        if is_public:
            return f"d-{scramble(bits % PUBLIC_DEVICES) & 0xFFFFFFFFFFFF:012x}"
        if is_new:
            return f"d-{bits & 0xFFFFFFFFFFFF:012x}"
        u = self._random()
        return customer.device(int(u * u * customer.device_count))


def honest_3ds(u: float) -> str:
    """How 3-D Secure ends for the card's owner."""
    return "frictionless" if u < 0.7 else "challenge_passed" if u < 0.975 else "challenge_failed"


def route(merchant: Merchant, world: World, u: float) -> str:
    """The merchant's own processor, or for the share that explores any: routing before anyone optimises it."""
    own_share = 1.0 - world.exploration_share
    if u < own_share:
        return merchant.processor
    return world.processors[int((u - own_share) / world.exploration_share * len(world.processors))]


def _aml(customer: Customer, u: float) -> float:
    return round((0.3 if customer.country.is_high_risk else 0.02) + 0.3 * u * u, 4)
