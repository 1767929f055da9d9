"""The contracts hold together: schemas, topics, expectations and reference data name the same things."""

import fastavro
import pytest

from domain import contracts

EVERY_TOPIC = sorted(contracts.topics())


@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_every_schema_is_valid_avro_and_documents_each_field(topic: str) -> None:
    schema = contracts.avro_schema(topic)
    fastavro.parse_schema(schema)
    assert schema["doc"]
    assert [field["name"] for field in schema["fields"] if not field.get("doc")] == []


@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_identity_and_key_are_fields_of_the_schema(topic: str) -> None:
    described = contracts.topics()[topic]
    names = {field["name"] for field in contracts.avro_schema(topic)["fields"]}
    assert {described.key, described.event_id, described.event_time} <= names


def test_the_checkout_record_is_the_published_one() -> None:
    assert [(field["name"], field["type"]) for field in contracts.avro_schema("ecommerce.transactions")["fields"]] == [
        ("transaction_id", "string"),
        ("user_id", "int"),
        ("amount", "double"),
        ("merchant", "string"),
        ("timestamp", "string"),
        ("is_fraud", "boolean"),
        ("payment_method", "string"),
        ("location", "string"),
        ("device_id", "string"),
    ]


@pytest.mark.parametrize("topic", ["payments.transactions", "ecommerce.transactions"])
def test_expectations_speak_of_columns_that_exist(topic: str) -> None:
    known = {field["name"] for field in contracts.avro_schema(topic)["fields"]} | {"event_timestamp"}
    unknown = [one.column for one in contracts.expectations(topic) if one.column and one.column not in known]
    assert unknown == []


@pytest.mark.parametrize("topic", ["payments.transactions", "ecommerce.transactions"])
def test_a_missing_id_and_an_amount_of_nothing_are_dropped(topic: str) -> None:
    dropped = {one.name for one in contracts.expectations(topic) if one.action == "drop"}
    assert {"missing_transaction_id", "amount_not_positive", "from_the_future", "absurd_timestamp"} <= dropped


def test_country_and_segment_shares_add_up() -> None:
    reference = contracts.reference()
    assert sum(country["share"] for country in reference["countries"]) == pytest.approx(1)
    for table in ("networks", "segments", "payment_methods"):
        assert sum(reference[table].values()) == pytest.approx(1)


def test_every_country_pays_in_a_currency_with_a_rate() -> None:
    reference = contracts.reference()
    assert {country["currency"] for country in reference["countries"]} <= set(reference["currencies"])


def test_decline_reasons_are_soft_or_hard_with_a_share_to_recover() -> None:
    for reason in contracts.decline_reasons().values():
        assert reason.kind in {"soft", "hard"}
        assert 0 <= reason.recovery_rate <= 1
        assert reason.meaning
