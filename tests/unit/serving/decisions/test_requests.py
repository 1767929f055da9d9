"""What is asked: refused where it cannot be answered, and the same for null and absence."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ml.features.definitions import DEFINITIONS, FRAUD, RETRY
from serving.decisions.endpoints import AUTH, RETRYING, ROUTE, decode
from serving.decisions.requests import EXAMPLES, PREDICTIONS, Refused, RequestType, cleaned

TYPES = [*PREDICTIONS.values(), AUTH, ROUTE, RETRYING]
FRAUD_TYPE = PREDICTIONS[FRAUD.model]


def decoded(kind: RequestType, body: bytes) -> Any:
    return decode(msgspec.json.Decoder(kind.type), body)


@pytest.mark.parametrize("kind", TYPES, ids=lambda one: one.name)
def test_the_example_of_a_request_is_one(kind: RequestType) -> None:
    assert decoded(kind, msgspec.json.encode(kind.example)) is not None
    assert kind.schema["properties"].keys() == kind.example.keys()
    assert all("description" in one for name, one in kind.schema["properties"].items() if name != "model")


def test_every_field_of_every_model_has_an_example() -> None:
    assert {field.name for one in DEFINITIONS.values() for field in one.fields} <= EXAMPLES.keys()


def test_what_is_answered_is_not_asked() -> None:
    assert "minutes_since_decline" not in RETRYING.schema["properties"]
    assert "processor" not in ROUTE.schema["properties"]


def test_a_field_that_one_model_requires_is_required_of_all_together() -> None:
    assert AUTH.schema["required"] == ["amount"]


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        (b"{}", "body.amount", "missing required field"),
        (b'{"amount": "12"}', "body.amount", "Expected 'float'"),
        (b'{"amount": -1}', "body.amount", ">= 0"),
        (b'{"amount": NaN}', "body", "no JSON"),
        (b'{"amount": Infinity}', "body", "no JSON"),
        (b'{"amount": 1e999}', "body.amount", "out of range"),
        (b'{"amount": true}', "body.amount", "got 'bool'"),
        (b'{"amount": 1, "is_new_device": 1}', "body.is_new_device", "got 'int'"),
        (b'{"amount": 1, "country": ""}', "body.country", "length >= 1"),
        (b'{"amount": 1, "country": "%s"}' % (b"x" * 201), "body.country", "length <= 200"),
        (b'{"amount": 1, "event_timestamp": "yesterday"}', "body.event_timestamp", "RFC3339"),
        (b'{"amount": 1, "amunt": 2}', "body.amunt", "unknown field"),
        (b'{"amount": 1, "user_id": 1.5}', "body.user_id", "Expected 'int"),
        (b'{"amount": 1, "user_id": 9223372036854775808}', "body.user_id", "<= 9223372036854775807"),
        (b"[]", "body", "Expected 'object'"),
        (b"", "body", "no JSON"),
        (b'{"amount": 1', "body", "no JSON"),
        (b'{"amount": 1, "country": "\xff"}', "body", "no JSON"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_wrong_request_says_where_and_what(body: bytes, where: str, message: str) -> None:
    with pytest.raises(Refused) as refused:
        decoded(FRAUD_TYPE, body)
    assert refused.value.where == where
    assert message in refused.value.message


def test_null_and_absence_are_the_same_and_unknown_names_are_taken() -> None:
    absent = cleaned(decoded(FRAUD_TYPE, b'{"amount": 1, "country": "Atlantis"}'), FRAUD)
    null = cleaned(decoded(FRAUD_TYPE, b'{"amount": 1, "country": "Atlantis", "user_devices": null}'), FRAUD)
    assert absent == null
    assert absent["country"] == "Atlantis"
    assert absent["user_devices"] is None


def test_instants_are_utc_whatever_their_zone() -> None:
    for text in (b"2026-03-01T21:15:00+01:00", b"2026-03-01T20:15:00Z", b"2026-03-01T20:15:00"):
        found = cleaned(decoded(FRAUD_TYPE, b'{"amount": 1, "event_timestamp": "%s"}' % text), FRAUD)
        assert found["event_timestamp"] == datetime(2026, 3, 1, 20, 15, tzinfo=UTC)


def test_the_wait_of_a_retry_is_missing_until_it_is_chosen() -> None:
    request = decoded(RETRYING, b'{"amount": 1, "decline_reason": "do_not_honor"}')
    assert cleaned(request, RETRY)["minutes_since_decline"] is None
