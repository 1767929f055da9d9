"""What customers write."""

from collections.abc import Callable

from domain.contracts import reference
from producer.events import CHECKOUTS, MESSAGES, Event
from producer.labels import labelled
from producer.writing import VALUES, sentences

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


def test_every_language_tells_of_the_same_topics_in_every_channel() -> None:
    stocks = [
        {
            (channel, mood, topic)
            for channel, moods in stock.items()
            for mood, topics in moods.items()
            for topic in topics
        }
        for stock in sentences().values()
    ]

    assert all(stock == stocks[0] for stock in stocks)
    assert {mood for _, mood, _ in stocks[0]} == set(VALUES)


def test_labels_are_the_same_for_the_same_seed() -> None:
    assert list(labelled(40, 3)) == list(labelled(40, 3)) != list(labelled(40, 4))


def test_the_truth_of_a_label_is_in_its_text() -> None:
    labels = list(labelled(2000, 1))

    for label in labels:
        text, truth = label["message"]["text"], label["truth"]
        assert 20 <= len(text) <= 4000
        for kind in ("merchants", "references", "emails", "phones", "cards"):
            assert all(value in text for value in truth[kind])
    assert {label["truth"]["sentiment"] for label in labels} == set(VALUES)
    assert {label["truth"]["style"] for label in labels} == {"plain", "emoji", "shouted", "typos", "with_english"}
    assert any(label["truth"]["cards"] for label in labels)
    assert any(len(label["message"]["text"]) > 1000 for label in labels)
    wrong = [label for label in labels if label["message"]["language"] not in (None, label["truth"]["language"])]
    assert 0.04 < len(wrong) / len(labels) < 0.12
