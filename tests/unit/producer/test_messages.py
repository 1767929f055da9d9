"""What customers write."""

from collections.abc import Callable

from domain.contracts import reference
from producer.events import CHECKOUTS, MESSAGES, Event
from producer.messages import sentences

Simulate = Callable[..., list[Event]]


def test_messages_belong_to_a_purchase_unless_the_customer_does_not_say_which(simulate: Simulate) -> None:
    events = simulate(20_000, rate=0.25)
    purchases = {event.event_id for event in events if event.topic == CHECKOUTS}
    messages = [event.record for event in events if event.topic == MESSAGES]

    assert len(messages) > 100
    assert {message["channel"] for message in messages} == {"review", "complaint", "dispute", "support"}
    assert {message["transaction_id"] for message in messages if message["transaction_id"]} <= purchases
    assert any(message["transaction_id"] is None for message in messages)
    assert all(20 <= len(message["text"]) <= 4000 for message in messages)
    assert any(len(message["text"]) > 1000 for message in messages)
    assert any(message["language"] is None for message in messages)
    assert len({message["language"] for message in messages}) > 4


def test_every_language_of_the_world_has_sentences_for_every_channel() -> None:
    spoken = {language for country in reference()["countries"] for language in country["languages"]}

    assert spoken <= set(sentences())
    assert all(set(stock) == {"review", "complaint", "dispute", "support"} for stock in sentences().values())
