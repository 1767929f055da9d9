"""Fraud and its patterns."""

from collections import defaultdict
from random import Random

import pytest

from producer.fraudsters import BURST_MS, CYCLE_MS, SHARE, Fraudsters
from producer.purchases import Purchase
from producer.world import World

WORLD = World(seed=7, customers=5000, merchants=80)


@pytest.fixture(scope="module")
def frauds() -> list[Purchase]:
    fraudsters = Fraudsters(WORLD, Random(3))
    return [fraudsters.buy(number, "t") for number in range(3000)]


def test_bursts_are_several_times_denser_and_the_mean_share_is_kept() -> None:
    fraudsters = Fraudsters(WORLD, Random(3))
    mean = sum(fraudsters.share_at(at, 0.0) for at in range(0, CYCLE_MS, 1000)) / (CYCLE_MS // 1000)

    assert fraudsters.share_at(0, 0.0) > 5 * fraudsters.share_at(BURST_MS, 0.0)
    assert mean == pytest.approx(SHARE)


def test_rings_share_devices_among_many_customers(frauds: list[Purchase]) -> None:
    users = defaultdict(set)
    for one in frauds:
        if one.fraud_pattern == "ring":
            users[one.device_id].add(one.customer.user_id)

    assert max(len(customers) for customers in users.values()) > 20


def test_card_testers_try_tiny_amounts_at_high_velocity(frauds: list[Purchase]) -> None:
    tests = [one for one in frauds if one.fraud_pattern == "card_testing"]

    assert tests
    assert all(one.amount_usd < 4 and one.velocity_score >= 0.6 for one in tests)


def test_account_thieves_come_from_devices_nobody_has_seen(frauds: list[Purchase]) -> None:
    thefts = [one for one in frauds if one.fraud_pattern == "account_takeover"]

    assert len({one.device_id for one in thefts}) == len(thefts) > 100
