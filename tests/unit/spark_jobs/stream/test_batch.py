"""What becomes of the messages of one batch."""

import numpy as np
import pyarrow as pa

from spark_jobs import decode
from spark_jobs.stream.batch import positions

from .builders import bit, payment, topic_batch


def reasons(*rows: dict[str, object]) -> list[tuple[str, str]]:
    letters = topic_batch(*rows).dead_letters
    return list(zip(letters.column("reason").to_pylist(), letters.column("error").to_pylist(), strict=True))


def test_a_decoded_message_that_meets_every_expectation_is_valid() -> None:
    batch = topic_batch({})
    assert batch.is_valid.tolist() == [True]
    assert batch.dead_letters.num_rows == 0


def test_a_message_without_a_header_is_undecodable() -> None:
    (reason, error) = reasons({"verdict": decode.NOT_WIRE_FORMAT, "value": b"garbage"})[0]
    assert reason == "undecodable"
    assert "header" in error


def test_an_unknown_schema_id_is_told_apart_from_a_broken_body() -> None:
    told = reasons({"verdict": decode.UNKNOWN_SCHEMA_ID}, {"verdict": decode.UNDECODABLE})
    assert [reason for reason, _ in told] == ["unknown_schema_id", "undecodable"]


def test_a_broken_expectation_is_explained_by_the_value() -> None:
    told = reasons({"failed": bit("amount_not_positive"), "silver": payment(amount=-3.0)})
    assert told == [("amount_not_positive", "amount = -3")]


def test_the_first_broken_expectation_names_the_reason() -> None:
    told = reasons({"failed": bit("amount_not_positive") | bit("missing_event_id"), "silver": payment(event_id="")})
    assert told[0][0] == "missing_event_id"


def test_a_warning_does_not_drop_the_record_but_is_counted() -> None:
    batch = topic_batch({"failed": bit("fraud_score_out_of_range")}, {})
    result = next(one for one in batch.expectation_results() if one.name == "fraud_score_out_of_range")
    assert batch.is_valid.all()
    assert (result.passed, result.failed, result.action) == (1, 1, "warn")


def test_expectations_are_counted_over_decoded_messages_only() -> None:
    batch = topic_batch({"verdict": decode.UNDECODABLE}, {}, {"failed": bit("amount_not_positive")})
    result = next(one for one in batch.expectation_results() if one.name == "amount_not_positive")
    assert (result.passed, result.failed) == (1, 1)


def test_valid_rows_remember_where_they_lie_in_kafka() -> None:
    batch = topic_batch({"verdict": decode.UNDECODABLE}, {"partition": 3, "silver": payment(event_id="x")})
    assert batch.valid.select(["event_id", "source_partition", "source_offset"]).to_pylist() == [
        {"event_id": "x", "source_partition": 3, "source_offset": 1}
    ]


def test_repetitions_stay_valid_and_lose_only_the_vouching() -> None:
    batch = topic_batch({}, {"first": False}, {"verdict": decode.UNDECODABLE, "first": False})
    assert batch.valid.num_rows == 2
    assert batch.is_new.tolist() == [True, False]


def test_unknown_schema_ids_are_read_from_the_headers() -> None:
    rows = [{"verdict": decode.UNKNOWN_SCHEMA_ID, "value": decode.wire_header(id_) + b"x"} for id_ in (77, 77, 1 << 30)]
    assert topic_batch(*rows).unknown_schema_ids == {77, 1 << 30}


def test_positions_order_as_partition_and_offset_do() -> None:
    rows = pa.table({"partition": pa.array([0, 1, 1], pa.int32()), "offset": [2**40, 0, 1]})
    assert np.all(np.diff(positions(rows)) > 0)
