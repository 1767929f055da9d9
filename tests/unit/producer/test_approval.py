"""The gates of an authorisation."""

from random import Random

import pytest

from domain.contracts import decline_reasons
from producer.approval import GATES, approval_probability, fee, hazards, latency_ms, outcome
from producer.incidents import CALM, Conditions
from producer.purchases import Purchase, Shoppers
from producer.world import World

WORLD = World(seed=7, customers=1000, merchants=60)


@pytest.fixture
def purchase() -> Purchase:
    shoppers = Shoppers(WORLD, Random("shoppers"))
    return next(
        one for one in iter(lambda: shoppers.buy(1, "t"), None) if one.fraud_score < 0.2 and one.amount_usd < 20
    )


def chance(purchase: Purchase, processor: str = "ProcessorA", conditions: Conditions = CALM) -> float:
    hour = (purchase.customer.issuer.down_hour + 12) % 24
    return approval_probability(hazards(purchase, processor, hour, conditions))


def test_every_gate_is_a_reason_of_the_taxonomy() -> None:
    assert set(GATES) == set(decline_reasons())


def test_an_ordinary_purchase_is_nearly_sure_to_be_approved(purchase: Purchase) -> None:
    assert chance(purchase) > 0.88


@pytest.mark.parametrize(
    ("field", "value"),
    [("fraud_score", 0.95), ("amount_usd", 5000.0), ("three_ds_outcome", "challenge_failed"), ("velocity_score", 0.9)],
)
def test_each_clear_cause_turns_it_into_a_likely_decline(purchase: Purchase, field: str, value: object) -> None:
    setattr(purchase, field, value)

    assert chance(purchase) < 0.3


def test_incidents_lower_the_chance_as_much_as_they_say(purchase: Purchase) -> None:
    calm = chance(purchase)

    assert chance(purchase, conditions=Conditions(processor_drop={"ProcessorA": 0.4})) == pytest.approx(0.6 * calm)
    assert chance(purchase, conditions=Conditions(issuers_down=frozenset([purchase.customer.issuer.name]))) < 0.05


def test_a_retry_meets_the_gate_that_stopped_it_again_and_waiting_helps(purchase: Purchase) -> None:
    purchase.attempt_number, purchase.previous_decline_reason = 2, "insufficient_funds"
    purchase.minutes_since_decline = 1.0
    soon = chance(purchase)
    purchase.minutes_since_decline = 1500.0

    assert soon < 0.1 < 0.6 < chance(purchase)


def test_outcomes_occur_as_often_as_their_hazards_say() -> None:
    gates = tuple(0.2 if gate == "expired_card" else 0.5 if gate == "do_not_honor" else 0.0 for gate in GATES)
    drawn = [outcome(gates, step / 1000) for step in range(1000)]

    assert drawn.count("expired_card") == 200
    assert drawn.count("do_not_honor") == pytest.approx(400, abs=1)
    assert drawn.count(None) == pytest.approx(400, abs=1)


def test_a_silent_issuer_costs_seconds_and_others_a_fraction(purchase: Purchase) -> None:
    assert latency_ms(purchase, "ProcessorA", "issuer_unavailable", 0.0) >= 2500
    assert latency_ms(purchase, "ProcessorA", None, 0.5) < 1000


def test_fees_are_whole_minor_units(purchase: Purchase) -> None:
    due = fee(purchase, "ProcessorB") * purchase.merchant.country.minor_scale

    assert due == pytest.approx(round(due))
    assert due > 0
