"""How many messages a query is behind."""

from spark_jobs.stream.lag import behind_by


def test_what_no_finished_batch_holds_is_counted_on_every_partition() -> None:
    reached = {"a": {0: 5, 1: 7}}
    oldest = {"a": {0: 0, 1: 0}, "b": {0: 0}}
    assert behind_by(reached, oldest, {"a": {0: 5, 1: 10}, "b": {0: 2}}) == {"a": 3, "b": 2}


def test_a_new_partition_and_one_whose_beginning_kafka_deleted_count_from_the_oldest_message_there_is() -> None:
    assert behind_by({"a": {0: 5}}, {"a": {0: 20, 1: 30}}, {"a": {0: 25, 1: 34}}) == {"a": 9}
