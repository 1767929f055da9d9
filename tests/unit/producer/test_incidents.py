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
