"""Lag is asked of a real broker: what waits, from where the checkpoint says that batches are done."""

import json
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import REGISTRY

from local.platform import Platform
from spark_jobs.stream.lag import Lag

TOPIC = "lag.test"


def test_lag_is_what_no_finished_batch_holds_and_stays_as_it_is_while_kafka_is_away(
    platform: Platform, tmp_path: Path
) -> None:
    platform.start("kafka")
    servers = platform.env["KAFKA_BOOTSTRAP_SERVERS"]
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(10)
    producer = Producer({"bootstrap.servers": servers})
    for partition in [0] * 7 + [1] * 3:
        producer.produce(TOPIC, b"one", partition=partition)
    assert producer.flush(10) == 0
    lag = Lag(servers, tmp_path)

    assert waiting(lag) == 10
    planned(tmp_path, 0, {"0": 5, "1": 0})
    done(tmp_path, 0)
    assert waiting(lag) == 5
    planned(tmp_path, 1, {"0": 7, "1": 3})
    assert waiting(lag) == 5, "a batch that is under way holds nothing yet"
    done(tmp_path, 1)
    assert waiting(lag) == 0
    (tmp_path / "commits" / "1").unlink()
    assert waiting(Lag("127.0.0.1:1", tmp_path)) == 0


def waiting(lag: Lag) -> float | None:
    lag.measure({TOPIC: [0, 1]}, {})
    return REGISTRY.get_sample_value("stream_lag_messages", {"topic": TOPIC})


def planned(checkpoint: Path, batch: int, until: dict[str, int]) -> None:
    (checkpoint / "offsets").mkdir(exist_ok=True)
    (checkpoint / "offsets" / str(batch)).write_text("v1\n{}\n" + json.dumps({TOPIC: until}))


def done(checkpoint: Path, batch: int) -> None:
    (checkpoint / "commits").mkdir(exist_ok=True)
    (checkpoint / "commits" / str(batch)).write_text("v1\n{}")
