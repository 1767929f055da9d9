"""Scoring on a real Postgres: batches in any order come to what a count by hand over everything comes to."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from domain import history
from domain.fraud import score_of_rules
from domain.history import CustomerHistory, DeviceHistory, MerchantHistory
from local.platform import Platform
from spark_jobs.fraud import scoring
from spark_jobs.fraud.history import MOST_RECENT
from tests.integration.spark_jobs.fraud.purchases import (
    HALF_AN_HOUR,
    NOON,
    Bought,
    Connection,
    batches,
    commit,
    connect,
    rows,
    stored,
    world,
)


def by_hand(everything: Sequence[Bought]) -> dict[str, int]:
    """Trailing counts over all that was ever bought."""
    return {
        f"t{one.number}": sum(
            other.user_id == one.user_id and one.at - HALF_AN_HOUR < other.at <= one.at for other in everything
        )
        for one in everything
    }


@pytest.mark.parametrize("seed", range(3))
def test_velocity_is_that_of_all_purchases_whatever_their_order(connection: Connection, seed: int) -> None:
    everything = world(seed, 400)
    for batch in batches(everything, seed):
        commit(connection, batch)
    found = stored(connection)
    expected = by_hand(everything)
    assert max(expected.values()) > 6
    assert {key: row["velocity_30m"] for key, row in found.items()} == expected
    for row in found.values():
        assert (row["score"], row["rules_fired"]) == ((25, ["velocity"]) if row["velocity_30m"] > 5 else (0, []))
    pending = connection.execute("select transaction_id from live.fraud_score_revisions").fetchall()
    assert {key for (key,) in pending} == {key for key, row in found.items() if row["revision"] > 0} != set()


def test_history_is_what_the_domain_folds(connection: Connection) -> None:
    everything = world(7, 300)
    customers: dict[int, CustomerHistory] = {}
    devices: dict[str, DeviceHistory] = {}
    merchants: dict[str, MerchantHistory] = {}
    for batch in batches(everything, 7):
        found = {row["transaction_id"]: row for row in commit(connection, batch).rows.to_pylist()}
        for one in sorted(batch, key=lambda one: (one.at, one.number)):
            purchase = one.as_domain
            customer = customers.get(one.user_id, CustomerHistory())
            device = devices.get(one.device_id, DeviceHistory())
            merchant = merchants.get(one.merchant, MerchantHistory())
            expected = history.features(purchase, customer, device, merchant)
            assert {name: found[f"t{one.number}"][name] for name in vars(expected)} == vars(expected)
            customers[one.user_id] = customer.after(purchase)
            devices[one.device_id] = device.after(purchase)
            merchants[one.merchant] = merchant.after(purchase)
    for user_id, customer in customers.items():
        row = connection.execute(
            "select transactions, amount_cents, last_at, devices from live.customer_history where user_id = %s",
            [user_id],
        ).fetchone()
        assert row == (*vars(customer.tally).values(), customer.last_at, len(customer.devices))


def test_streams_that_meet_the_same_customers_miss_nothing(connection: Connection, platform: Platform) -> None:
    everything = world(11, 600)

    def stream(shard: int) -> None:
        with connect(platform) as own:
            for batch in batches(everything[shard::3], shard):
                commit(own, batch)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(stream, range(3)))
    assert {key: row["velocity_30m"] for key, row in stored(connection).items()} == by_hand(everything)
    assert connection.execute("select sum(transactions) from live.device_history").fetchone() == (600,)


def test_an_account_shared_by_many_is_counted_up_to_a_limit(connection: Connection) -> None:
    crowd = [Bought(n, 1, "d", "m", 1.0, NOON + timedelta(milliseconds=100 * n)) for n in range(3 * MOST_RECENT)]
    for begin in range(0, len(crowd), 100):
        commit(connection, crowd[begin : begin + 100])
    counts = [row["velocity_30m"] for row in stored(connection).values()]
    assert sorted(counts) == sorted(min(n + 1, MOST_RECENT) for n in range(len(crowd)))
    row = connection.execute("select cardinality(recent_us) from live.customer_history").fetchone()
    assert row is not None
    assert row[0] <= MOST_RECENT + 100


def test_a_revision_names_what_was_and_what_is(connection: Connection) -> None:
    commit(connection, [Bought(n, 1, "d", "m", 1.0, NOON + timedelta(minutes=n)) for n in range(5)])
    revisions = commit(connection, [Bought(9, 1, "d", "m", 1.0, NOON - timedelta(seconds=1))]).revisions
    assert [(one.key[2], one.velocity) for one in revisions] == [(f"t{n}", n + 2) for n in range(5)]
    assert (revisions[-1].before, revisions[-1].after) == (score_of_rules([]), score_of_rules(["velocity"]))


def test_what_was_scored_can_be_read_again(connection: Connection) -> None:
    batch = [Bought(0, 1, "d,1", 'the "m"', 1.0, NOON), Bought(1, 2, "d\n", "", 2.0, NOON)]
    scored = commit(connection, batch).rows
    with connection.transaction(), connection.cursor() as cursor:
        again = scoring.stored(cursor, rows(batch)).rows
    order = [("transaction_id", "ascending")]
    assert again.sort_by(order).to_pylist() == scored.sort_by(order).to_pylist()
