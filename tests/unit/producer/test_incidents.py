"""Incidents: how they are written and when they hold."""

import pytest

from producer.errors import ProducerError
from producer.incidents import CALM, Incident, IncidentCalendar, parse_incident


def test_an_incident_takes_its_times_and_its_target_from_the_text() -> None:
    assert parse_incident("processor_drop:at=30s,for=2m,processor=ProcessorC,share=0.5") == Incident(
        "processor_drop", 30_000, 150_000, processor="ProcessorC", share=0.5
    )


def test_an_issuer_with_a_space_in_its_name_is_found() -> None:
    assert parse_incident("issuer_outage:issuer=Prairie Trust,at=1s").issuer == "Prairie Trust"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("earthquake", "issuer_outage, processor_drop, fraud_burst"),
        ("fraud_burst:share=2", "from 0 to 1"),
        ("issuer_outage:issuer=Nobody", "Liberty Bank"),
        ("fraud_burst:issuer=Liberty Bank", "at=..., for=..., share=..."),
        ("fraud_burst:at=soon", "90s"),
    ],
)
def test_what_is_not_understood_is_named(text: str, why: str) -> None:
    with pytest.raises(ProducerError, match=why):
        parse_incident(text)


def test_conditions_hold_from_the_start_until_the_end_of_an_incident() -> None:
    calendar = IncidentCalendar((parse_incident("issuer_outage:at=1s,for=1s"), parse_incident("fraud_burst:at=1500ms")))

    assert calendar.at(999) == CALM
    assert calendar.at(1000).issuers_down == {"Liberty Bank"}
    assert calendar.at(1700).extra_fraud == 0.08
    assert calendar.at(2000).issuers_down == frozenset()


def test_slowness_and_lost_customers_hold_for_their_time_only() -> None:
    calendar = IncidentCalendar(
        (parse_incident("latency_spike:for=1s"), parse_incident("volume_drop:for=1s,share=0.4"))
    )
    during = calendar.at(0)
    assert (during.processor_slowness, during.lost_share) == ({"ProcessorC": 3.0}, 0.4)
    assert calendar.at(1000) == CALM


@pytest.mark.parametrize("text", ["latency_spike:factor=0.5", "latency_spike:factor=x", "volume_drop:share=2"])
def test_slowness_and_loss_stay_within_bounds(text: str) -> None:
    with pytest.raises(ProducerError, match="must be a number from"):
        parse_incident(text)
