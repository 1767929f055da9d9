"""The world and its people."""

from dataclasses import asdict

import pytest

from domain.contracts import reference
from producer.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, customers=10_000, merchants=120)


def test_equal_seeds_make_equal_worlds_and_other_seeds_other_ones(world: World) -> None:
    again, other = World(7, 10_000, 120), World(8, 10_000, 120)

    assert again.merchants == world.merchants
    assert asdict(again.customer(42)) == asdict(world.customer(42))
    assert other.merchants != world.merchants


def test_customers_have_a_card_of_an_issuer_in_their_country(world: World) -> None:
    for user_id in range(1, 500):
        customer = world.customer(user_id)
        assert customer.issuer in customer.country.issuers
        assert customer.city in customer.country.cities
        assert len(customer.card_bin) == 6
        assert customer.card_bin.isdigit()
        assert 1 <= len(customer.devices) == customer.device_count <= 3


def test_no_two_issuers_share_a_bin_range(world: World) -> None:
    issuers = {}
    for user_id in range(1, 5000):
        customer = world.customer(user_id)
        assert issuers.setdefault(customer.card_bin, customer.issuer) == customer.issuer


def test_networks_and_countries_come_in_their_shares(world: World) -> None:
    customers = [world.customer(user_id) for user_id in range(1, 10_001)]
    visa = sum(customer.network == "Visa" for customer in customers) / len(customers)
    american = sum(customer.country.code == "US" for customer in customers) / len(customers)

    assert visa == pytest.approx(reference()["networks"]["Visa"], abs=0.02)
    assert american == pytest.approx(0.30, abs=0.02)


def test_every_country_has_shops_to_offer_even_where_none_is_at_home() -> None:
    tiny = World(seed=1, customers=100, merchants=2)

    assert all(shops.values for shops in tiny.domestic_shops.values())
