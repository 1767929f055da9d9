"""The same stream spread out: executors on a cluster, several processes, more partitions, another count of processes.

One platform for all of it, and after each step the account of all since the first: ledger, Kafka, Bronze, Silver, dead
letters and Postgres agree to the event.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from domain.contracts import topics
from local.cluster import spark_master, spark_worker, stream_shard
from local.platform import Platform
from local.ports import Ports
from local.services import producer
from tests.e2e.evidence import Sources, wait_until_drained
from tests.e2e.reconciliation import reconcile

DRAINED_WITHIN_S = 300.0
SEEDS = count(1)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    data = Path(tempfile.mkdtemp(prefix="scaling-"))
    with Platform(data, Ports.free(), fresh=True) as started:
        started.start("migrate", "init", "dbt")
        yield started
    shutil.rmtree(data)


@pytest.fixture(scope="module")
def ports() -> Iterator[int]:
    return iter([port for _ in range(3) for port in vars(Ports.free()).values()])


def send(platform: Platform, purchases: int) -> None:
    """Purchases of a new seed, as fast as they go, in the ledger."""
    seed = next(SEEDS)
    ledger = platform.data / "ledger" / f"backfill-{seed}.csv"
    arguments = ["--days", "1", "--purchases-per-day", str(purchases), "--seed", str(seed), "--ledger", str(ledger)]
    platform.run(producer(platform.site, f"backfill-{seed}", "backfill", *arguments, one_shot=True))


def assert_all_agree(platform: Platform) -> None:
    wait_until_drained(Sources.of(platform), DRAINED_WITHIN_S)
    assert reconcile(Sources.of(platform), all_was_sent=True) == []


def ask(platform: Platform, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(platform.site.database_url("dbt")) as connection:
        return connection.execute(query).fetchall()


def start_shards(platform: Platform, ports: Iterator[int], shards: int, **env: str) -> list[str]:
    services = [stream_shard(platform.site, index, shards, next(ports), **env) for index in range(shards)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(platform.start_service, services))
    return [service.name for service in services]


def test_two_processes_with_executors_on_a_cluster(platform: Platform, ports: Iterator[int]) -> None:
    master, page = next(ports), next(ports)
    platform.start_service(spark_master(platform.site, master, page))
    for number in (1, 2):
        platform.start_service(spark_worker(platform.site, number, master, next(ports)))
    on_cluster = {"SPARK_MASTER": f"spark://127.0.0.1:{master}", "STREAM_CORES_MAX": "1", "SPARK_LOCAL_IP": "127.0.0.1"}
    names = start_shards(platform, ports, 2, STREAM_EXECUTOR_MEMORY="768m", **on_cluster)
    send(platform, 5_000)
    os.kill(platform.pid(names[1]), signal.SIGKILL)
    send(platform, 5_000)
    assert_all_agree(platform)
    assert len(ask(platform, "select distinct query from ops.batches where payments > 0")) == 2
    platform.stop(*names, "spark-worker-1", "spark-worker-2", "spark-master")


def test_added_partitions_are_read_by_running_processes(platform: Platform, ports: Iterator[int]) -> None:
    names = start_shards(platform, ports, 2, SPARK_MASTER="local[1]")
    admin = AdminClient({"bootstrap.servers": platform.env["KAFKA_BOOTSTRAP_SERVERS"]})
    for future in admin.create_partitions([NewPartitions(topic, 4) for topic in topics()]).values():
        future.result()
    send(platform, 5_000)
    assert_all_agree(platform)
    read = ask(platform, "select distinct jsonb_object_keys(offsets -> 'payments.transactions') from ops.batches")
    assert {row[0] for row in read} == {"0", "1", "2", "3"}
    platform.stop(*names)


def test_another_number_of_processes_goes_on_where_the_others_ended(platform: Platform, ports: Iterator[int]) -> None:
    names = start_shards(platform, ports, 3, SPARK_MASTER="local[1]")
    send(platform, 4_000)
    kill_for_good(platform, names)
    names = start_shards(platform, ports, 1, SPARK_MASTER="local[1]")
    send(platform, 500)
    assert_all_agree(platform)
    platform.stop(*names)


def test_a_batch_that_silver_lacks_is_finished_without_its_checkpoint(platform: Platform, ports: Iterator[int]) -> None:
    forget_newest_commit(platform)
    shutil.move(platform.data / "checkpoints", platform.data / "checkpoints-lost")
    shutil.rmtree(platform.data / "state")
    (name,) = start_shards(platform, ports, 1, SPARK_MASTER="local[1]")
    wait_for_log(platform, name, "finishing batch")
    assert_all_agree(platform)
    send(platform, 4_000)
    kill_for_good(platform, [name])
    shutil.rmtree(platform.data / "checkpoints")
    start_shards(platform, ports, 1, SPARK_MASTER="local[1]")
    assert_all_agree(platform)
    platform.stop(name)
    shutil.move(platform.data / "checkpoints-lost" / "shard-0-of-2", platform.data / "checkpoints")


def kill_for_good(platform: Platform, names: list[str]) -> None:
    for name in names:
        os.kill(platform.pid(name), signal.SIGKILL)
    platform.stop(*names)


def forget_newest_commit(platform: Platform) -> None:
    """Silver as it is when a stream is killed after Postgres had a batch and before Silver did."""
    log = platform.site.lake / topics()["payments.transactions"].silver / "_delta_log"
    max(log.glob("*.json")).unlink()


def test_an_old_checkpoint_is_refused(platform: Platform, ports: Iterator[int]) -> None:
    old = stream_shard(platform.site, 0, 2, next(ports), SPARK_MASTER="local[1]")
    platform.start_service(stream_shard(platform.site, 0, 1, next(ports), SPARK_MASTER="local[1]"))
    batches = ask(platform, "select count(*) from ops.batches")
    platform._launch_once(old)  # it never becomes ready
    wait_for_log(platform, old.name, "is read by another process")
    platform.stop("stream-0-of-1")
    wait_for_log(platform, old.name, "move that folder away")
    platform.stop(old.name)
    assert ask(platform, "select count(*) from ops.batches") == batches


def wait_for_log(platform: Platform, name: str, text: str) -> None:
    deadline = time.monotonic() + 90
    while text not in platform.log(name).read_text():
        assert time.monotonic() < deadline, platform.log(name).read_text()[-2000:]
        time.sleep(0.5)
