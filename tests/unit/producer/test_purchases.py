"""Honest purchases."""

from random import Random

import pytest

from domain.money import minor_unit_exponent
from producer.purchases import Shoppers, honest_3ds, money
from producer.world import World

WORLD = World(seed=7, customers=2000, merchants=80)


def test_amounts_are_whole_minor_units_of_the_merchants_currency() -> None:
    shoppers = Shoppers(WORLD, Random(1))
    for number in range(500):
        purchase = shoppers.buy(number, "t")
        minor = purchase.amount * 10 ** minor_unit_exponent(purchase.merchant.country.currency)
        assert minor == pytest.approx(round(minor))
        assert purchase.amount > 0


def test_even_the_smallest_amount_is_one_minor_unit() -> None:
    japan = next(country for country in WORLD.countries if country.code == "JP")

    assert money(0.0, japan) == 1.0


def test_people_mostly_use_their_own_devices_at_home() -> None:
    shoppers = Shoppers(WORLD, Random(1))
    purchases = [shoppers.buy(number, "t") for number in range(2000)]

    assert 0.95 < sum(one.device_id in one.customer.devices for one in purchases) / 2000 < 0.99
    assert 0.95 < sum(one.location == one.customer.city for one in purchases) / 2000 < 1.0


def test_three_ds_has_an_outcome_only_where_it_was_asked_for() -> None:
    shoppers = Shoppers(WORLD, Random(1))

    assert all((one.three_ds_outcome is not None) == one.uses_3ds for one in (shoppers.buy(n, "t") for n in range(300)))
    assert {honest_3ds(u / 100) for u in range(100)} == {"frictionless", "challenge_passed", "challenge_failed"}
