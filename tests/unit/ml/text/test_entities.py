"""What a text names, and what of it is masked."""

import pytest

from ml.text.entities import MOST, Entity, Gazetteer, extract, mask

NO_NAMES = Gazetteer()


def named(text: str, kind: str, language: str | None = None, names: Gazetteer = NO_NAMES) -> list[str]:
    return [entity.value for entity in extract(text, names, language).entities if entity.kind == kind]


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111\n1111\n1111\n1111",
        "４１１１ １１１１ １１１１ １１１１",
        "3782 822463 10005",
        "6011 0009 9013 9424 123",
        "1234 5678 9012 3456",
    ],
)
def test_a_card_number_is_masked_however_it_is_written(number: str) -> None:
    for text in (f"My card is {number}.", f"カードは{number}です", f"x{number}y", f"12.50 EUR {number} 3"):
        masked = mask(text)
        assert "*" in masked
        assert number not in masked
        assert sum(character.isdecimal() for character in masked) < 13


def test_other_addresses_and_numbers_are_masked_too() -> None:
    found = extract("Write to jo.doe@mail.example.com, +44 20 7946 0958, IBAN DE89 3704 0044 0532 0130 00.", NO_NAMES)

    assert {(entity.kind, entity.value) for entity in found.entities} == {
        ("email", "j***@mail.example.com"),
        ("phone", "***58"),
        ("iban", "****3000"),
    }
    assert not any(secret in found.text for secret in ("jo.doe", "7946", "0532"))


def test_references_dates_and_amounts_stay() -> None:
    text = "Order 3f2b8c1d-1111-4222-8333-123456789012 of 2026-03-01, 1,234.56 EUR, reference 1a2b3c4d, AB-1234567."

    assert mask(text) == text
    assert named(text, "reference") == ["3f2b8c1d-1111-4222-8333-123456789012", "1a2b3c4d", "AB-1234567"]


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("12.50 EUR", "12.50", "EUR"),
        ("€1,234.56", "1234.56", "EUR"),
        ("1.234,56 €", "1234.56", "EUR"),
        ("1\u00a0234,56 €", "1234.56", "EUR"),
        ("USD 99", "99", "USD"),
        ("¥5,000", "5000", "JPY"),
        ("5000円です", "5000", "JPY"),
        ("のに31.54 USDが", "31.54", "USD"),
        ("500.000 đ", "500000", "VND"),
        ("300 грн", "300", "UAH"),
        ("R$ 10,00", "10.00", "BRL"),
    ],
)
def test_amounts_are_read_as_they_are_written_in_the_world(text: str, value: str, currency: str) -> None:
    assert Entity("amount", value, currency) in extract(f"{text} ...", NO_NAMES).entities


def test_a_number_before_a_word_is_no_amount() -> None:
    assert named("ngày 27/12/2025 được gửi", "amount") == []


@pytest.mark.parametrize(
    ("text", "language", "day"),
    [
        ("on 2026-03-01", None, "2026-03-01"),
        ("am 01.03.2026", "de", "2026-03-01"),
        ("le 1/3/2026", "fr", "2026-03-01"),
        ("2026年3月1日に", "ja", "2026-03-01"),
        ("on 3 March 2026", "en", "2026-03-03"),
        ("am 3. März 2026", "de", "2026-03-03"),
        ("el 3 de marzo de 2026", "es", "2026-03-03"),
    ],
)
def test_dates_are_found_in_the_ways_of_the_languages(text: str, language: str | None, day: str) -> None:
    assert named(text, "date", language) == [day]


def test_what_is_no_date_is_none() -> None:
    assert named("on 2026-13-45 and 99.99.2026", "date") == []


def test_names_are_found_as_whole_words_and_the_longest_wins() -> None:
    names = Gazetteer(["Harbour", "Harbour Books 8", "Harbour Books 89", "ab"])

    assert named("At HARBOUR BOOKS 89, not Harbours.", "merchant", names=names) == ["Harbour Books 89"]
    assert named("Harbour Books 8で買いました", "merchant", names=names) == ["Harbour Books 8"]


@pytest.mark.parametrize("text", ["4" * 4000, "4 " * 2000, "a@" * 2000, "1.1," * 1000, "-" * 4000, "AB12" * 1000])
def test_hostile_texts_cost_little_and_yield_little(text: str) -> None:
    found = extract(text, NO_NAMES)

    assert len(found.entities) <= MOST
    assert len(found.text) <= len(text)
