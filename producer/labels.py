"""Messages with the truth about them, to measure text analysis by. Every language and channel has an equal share."""

from collections.abc import Iterator
from dataclasses import asdict
from random import Random
from typing import Any

from domain.money import minor_unit_exponent
from producer.draw import derived_id, uuid_text
from producer.events import iso_text
from producer.messages import Writers
from producer.world import World
from producer.writing import MAX_CHARACTERS, MOODS, Facts, sentences, write

START_MS = 1_767_225_600_000  # 2026-01-01
# Customers confide what they should not; the simulation itself writes none of it.
CONFIDING_SHARE = 0.06
PHONES = ("+44 20 7946 0958", "+49 30 901820", "+33 1 42 68 53 00", "+1 212-736-5000", "+81 3-3211-2111")


def labelled(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` messages: {"message": the record of customer.messages, "truth": what is so}."""
    rng = Random(f"{seed}/labels")
    world = World(seed, 1000, 400)
    kinds = [(language, channel) for channel in MOODS for language in sentences()]
    for number in range(count):
        language, channel = kinds[number % len(kinds)]
        yield _labelled(rng, world, language, channel, START_MS + number * 1000)


def _labelled(rng: Random, world: World, language: str, channel: str, at_ms: int) -> dict[str, Any]:
    bits = rng.getrandbits(128)
    purchase_id = uuid_text(bits)
    merchant = rng.choice(world.merchants)
    currency = merchant.country.currency
    decimals = minor_unit_exponent(currency)
    amount = round(rng.lognormvariate(4, 1.2) / merchant.country.usd_rate + 1, decimals)
    written = write(rng, language, channel, Facts(merchant.name, amount, currency, decimals, purchase_id[:8], at_ms))
    confided = _confided(rng) if rng.random() < CONFIDING_SHARE else {}
    text = " ".join([written.text, *confided.values()])
    if len(text) > MAX_CHARACTERS:
        text, confided = written.text, {}
    truth = asdict(written) | {"channel": channel, "emails": [], "phones": [], "cards": []}
    del truth["text"]
    return {
        "message": {
            "message_id": derived_id(bits, 1),
            "timestamp": iso_text(at_ms),
            "transaction_id": purchase_id,
            "user_id": rng.randrange(1, 1000),
            "channel": channel,
            "language": Writers(rng).claimed(language),
            "text": text,
        },
        "truth": truth | {f"{kind}s": [value] for kind, value in confided.items()},
    }


def _confided(rng: Random) -> dict[str, str]:
    kind = rng.choice(("email", "phone", "card"))
    if kind == "email":
        return {kind: f"{rng.choice(('anna', 'j.lopez', 'kenji99'))}@{rng.choice(('example.com', 'mail.example.org'))}"}
    return {kind: rng.choice(PHONES) if kind == "phone" else _card_number(rng)}


def _card_number(rng: Random) -> str:
    """A made-up number of sixteen digits with a valid check digit, written in one of the usual ways."""
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    doubled = [sum(divmod(2 * digit, 10)) if at % 2 == 0 else digit for at, digit in enumerate(digits)]
    text = "".join(map(str, [*digits, -sum(doubled) % 10]))
    return rng.choice(("", " ", "-")).join(text[at : at + 4] for at in range(0, 16, 4))
