"""Who lives in the simulated world: countries, issuers, merchants and customers, all following from the seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from domain.contracts import reference
from domain.money import minor_unit_exponent
from producer.draw import Weighted, scramble

REGIONS = {"US": "americas", "BR": "americas", "JP": "asia", "IN": "asia", "VN": "asia", "NG": "africa"}
NETWORK_DIGITS = {"Visa": "4", "Mastercard": "5", "Amex": "37", "Discover": "60"}
# Median basket in US dollars, and how strictly the segment's merchants ask for 3-D Secure.
SEGMENT_BASKET_USD = {"Retail": 42.0, "Grocery": 28.0, "Digital": 12.0, "Travel": 210.0, "Gaming": 18.0}
SEGMENT_3DS_SHARE = {"Retail": 0.25, "Grocery": 0.10, "Digital": 0.25, "Travel": 0.55, "Gaming": 0.45}
FIRST_NAMES = ("Blue", "North", "Silver", "Green", "Bright", "Old Town", "Harbour", "Maple", "Royal", "Swift")
LAST_NAMES = {
    "Retail": ("Outfitters", "Home", "Shoes", "Books"),
    "Grocery": ("Market", "Foods", "Pantry", "Farm Shop"),
    "Digital": ("Streaming", "Cloud", "Apps", "Music"),
    "Travel": ("Airways", "Hotels", "Rail", "Tours"),
    "Gaming": ("Games", "Arcade", "Play", "Quests"),
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """A bank that answers authorisations."""

    name: str
    number: int  # part of its cards' BIN
    country: str
    strictness: float  # shifts the fraud score at which it declines; negative is stricter
    limit_usd: float  # single amounts above it are declined
    down_hour: int  # the UTC hour of its nightly maintenance
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Country:
    """A country of customers and merchants."""

    code: str
    currency: str
    usd_rate: float
    minor_scale: int  # minor units per unit of the currency
    cities: tuple[str, ...]
    languages: tuple[str, ...]
    issuers: tuple[Issuer, ...]
    region: str
    is_high_risk: bool


@dataclass(frozen=True, slots=True)
class Merchant:
    """A shop and the processor it mostly sends its payments to."""

    merchant_id: str
    name: str
    segment: str
    country: Country
    basket_usd: float
    processor: str
    share_3ds: float
    popularity: float


@dataclass(frozen=True, slots=True)
class Customer:
    """A person with a card, a few devices and habits."""

    user_id: int
    country: Country
    city: str
    language: str
    issuer: Issuer
    network: str
    card_bin: str
    is_prepaid: bool
    payment_method: str
    device_bits: int
    device_count: int
    has_token: bool
    spending: float  # factor on a merchant's usual basket
    favourite: int  # fixes the shops this customer returns to

    def device(self, number: int) -> str:
        """Fingerprint of the customer's device with this number, counted from 0."""
        return f"d-{scramble(self.device_bits + number) & 0xFFFFFFFFFFFF:012x}"

    @property
    def devices(self) -> frozenset[str]:
        """Fingerprints of all of the customer's devices."""
        return frozenset(map(self.device, range(self.device_count)))


class World:
    """All merchants, and any customer on demand; equal seeds make equal worlds."""

    def __init__(self, seed: int, customers: int, merchants: int) -> None:
        rng = Random(f"{seed}/world")
        self.customer_count = customers
        self._salt = scramble(seed)
        numbers = count(10)
        self.countries = tuple(_country(row, numbers, rng) for row in reference()["countries"])
        self._homes = Weighted(self.countries, [row["share"] for row in reference()["countries"]])
        self._networks = Weighted.of(reference()["networks"])
        self._methods = Weighted.of(reference()["payment_methods"])
        self.processors: tuple[str, ...] = tuple(reference()["processors"]["names"])
        self.exploration_share = float(reference()["processors"]["exploration_share"])
        self.merchants = tuple(self._merchant(number, rng) for number in range(merchants))
        self.shops = Weighted(self.merchants, [merchant.popularity for merchant in self.merchants])
        self.domestic_shops = {country.code: self._shops_in(country) for country in self.countries}

    def customer(self, user_id: int) -> Customer:
        """The customer with this number, always the same one."""
        bits = scramble(self._salt ^ user_id)
        more = scramble(bits)
        country = self._homes.at((bits & 0xFFFF) / 65536)
        network = self._networks.at((bits >> 16 & 0xFFFF) / 65536)
        method = self._methods.at((bits >> 40 & 0xFFFF) / 65536)
        is_prepaid = (bits >> 56 & 0xFF) < 6
        product = "7" if is_prepaid else "2" if method == "debit_card" else "0"
        issuer = country.issuers[(bits >> 32 & 0xFF) % len(country.issuers)]
        return Customer(
            user_id=user_id,
            country=country,
            city=country.cities[(more & 0xFF) % len(country.cities)],
            language=country.languages[0] if more >> 8 & 0xF else "en",
            issuer=issuer,
            network=network,
            card_bin=f"{NETWORK_DIGITS[network]}{issuer.number:02d}{product}00"[:6],
            is_prepaid=is_prepaid,
            payment_method=method,
            device_bits=scramble(more ^ 0xD),
            device_count=1 + (more >> 12 & 3) % 3,
            has_token=(more >> 20 & 0xFF) < 90,
            spending=0.5 + (more >> 28 & 0xFF) / 200,
            favourite=more >> 36,
        )

    def _merchant(self, number: int, rng: Random) -> Merchant:
        segments = Weighted.of(reference()["segments"])
        segment = segments.at(rng.random())
        country = self._homes.at(rng.random())
        name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES[segment])} {number}"
        return Merchant(
            merchant_id=f"m-{number:05d}",
            name=name,
            segment=segment,
            country=country,
            basket_usd=SEGMENT_BASKET_USD[segment] * (0.5 + rng.random() * 1.2),
            processor=rng.choice(self.processors),
            share_3ds=min(0.9, SEGMENT_3DS_SHARE[segment] * (1.5 if country.region == "europe" else 0.7)),
            popularity=1.0 / (1 + number % 40),
        )

    def _shops_in(self, country: Country) -> Weighted[Merchant]:
        shops = [merchant for merchant in self.merchants if merchant.country is country]
        return Weighted(shops, [shop.popularity for shop in shops]) if shops else self.shops


def _country(row: dict[str, Any], numbers: Iterator[int], rng: Random) -> Country:
    return Country(
        code=row["code"],
        currency=row["currency"],
        usd_rate=reference()["currencies"][row["currency"]],
        minor_scale=10 ** minor_unit_exponent(row["currency"]),
        cities=tuple(f"{city}, {row['name']}" for city in row["cities"]),
        languages=tuple(row["languages"]),
        issuers=tuple(_issuer(name, next(numbers), row["code"], rng) for name in row["issuers"]),
        region=REGIONS.get(row["code"], "europe"),
        is_high_risk=row.get("high_risk", False),
    )


def _issuer(name: str, number: int, country: str, rng: Random) -> Issuer:
    return Issuer(
        name=name,
        number=number,
        country=country,
        strictness=-0.05 + rng.random() * 0.1,
        limit_usd=450.0 + rng.random() * 650.0,
        down_hour=int(rng.random() * 24),
        latency_ms=60 + int(rng.random() * 160),
    )
