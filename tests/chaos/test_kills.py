"""Each process killed with -9 in turn, several times, under load: nothing is lost, nothing doubled, all comes back.

Every test ends with a reckoning of everything since the first one: ledger, Kafka, Bronze, Silver, dead letters and
Postgres must agree to the event.
"""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from random import Random

import pytest

from local.platform import Platform
from tests.chaos.load import (
    Recovery,
    kill_driver,
    kill_jvm,
    kill_producer,
    last_batch,
    seconds_until_api_answers,
    seconds_until_newer,
    seconds_until_shown,
    start_producer,
    under_load,
    wait_until,
)
from tests.e2e.evidence import Sources, gather
from tests.e2e.hostile import HOSTILE, Sender

STREAM_KILLS = 4
STREAM_BLOWS: dict[str, Callable[[Platform], None]] = {
    "driver": kill_driver,
    "JVM": kill_jvm,
    "whole": lambda platform: platform.kill("stream"),
}
"""What is killed of the stream. With the whole of it goes its window of identities, which it may lose."""

AWAY_S = 20.0
COMMITTED_WITHIN_S = 60.0

Recoveries = list[Recovery]


@pytest.mark.parametrize("service", ["kafka", "postgres"])
def test_a_killed_server_comes_back(platform: Platform, recoveries: Recoveries, chance: Random, service: str) -> None:
    with under_load(platform, chance.randrange(10**6)):
        for _ in range(3):
            time.sleep(chance.uniform(0.5, 3))
            seconds = seconds_until_shown(platform, partial(platform.kill, service))
            recoveries.append(Recovery(f"{service} killed", seconds))


def test_the_stream_goes_on_without_its_registry(platform: Platform, recoveries: Recoveries, chance: Random) -> None:
    with under_load(platform, chance.randrange(10**6)):
        for _ in range(2):
            time.sleep(chance.uniform(0.5, 3))
            recoveries.append(
                Recovery("registry killed", seconds_until_shown(platform, partial(platform.kill, "registry")))
            )
            platform.wait_until_ready("registry")


def test_a_killed_api_comes_back(platform: Platform, recoveries: Recoveries, chance: Random) -> None:
    with under_load(platform, chance.randrange(10**6)):
        for _ in range(3):
            time.sleep(chance.uniform(0.5, 2))
            platform.kill("api")
            recoveries.append(Recovery("api killed", seconds_until_api_answers(platform)))


def test_postgres_may_be_away_for_a_while(platform: Platform, recoveries: Recoveries, chance: Random) -> None:
    with under_load(platform, chance.randrange(10**6)):
        platform.stop("postgres")
        time.sleep(AWAY_S)
        returned = datetime.now(UTC)
        platform.start("postgres")
        recoveries.append(
            Recovery(f"postgres away for {AWAY_S:.0f} s, since its start", seconds_until_newer(platform, returned))
        )


def test_an_unknown_schema_id_waits_for_the_registry(
    platform: Platform, recoveries: Recoveries, chance: Random
) -> None:
    unknown = next(message for message in HOSTILE if message.reason == "unknown_schema_id")
    with under_load(platform, chance.randrange(10**6)):
        sender = Sender(platform, platform.data / "ledger" / "by-hand.csv")
        platform.stop("registry")
        key = sender.send(unknown)
        time.sleep(AWAY_S / 4)
        returned = datetime.now(UTC)
        platform.start("registry")
        recoveries.append(
            Recovery("registry away at an unknown schema id, since its start", seconds_until_newer(platform, returned))
        )
    letters = gather(Sources.of(platform)).execute("select reason from letters where key = ?", [key.encode()])
    assert letters.fetchall() == [("unknown_schema_id",)]


@pytest.mark.parametrize("victim", ["driver", "JVM", "whole"])
def test_the_stream_killed_at_any_moment_of_a_batch(
    platform: Platform, recoveries: Recoveries, chance: Random, victim: str
) -> None:
    """Half of the moments lie right behind a commit in Postgres, when the lake does not hold the batch yet."""
    with under_load(platform, chance.randrange(10**6)):
        for number in range(STREAM_KILLS):
            _wait_for_a_commit(platform)
            delay = chance.uniform(0.0, 0.2) if number % 2 else chance.uniform(0.2, 3.0)
            time.sleep(delay)
            STREAM_BLOWS[victim](platform)
            if victim == "whole":
                shutil.rmtree(platform.data / "state")
            seconds = seconds_until_newer(platform, datetime.now(UTC))
            recoveries.append(Recovery(f"stream ({victim}) killed {delay:.2f} s after a commit", seconds))


def test_a_killed_producer_loses_only_what_kafka_never_had(
    platform: Platform, recoveries: Recoveries, chance: Random
) -> None:
    with under_load(platform, chance.randrange(10**6)):
        for _ in range(3):
            time.sleep(chance.uniform(0.5, 3))
            kill_producer(platform)
            killed = datetime.now(UTC)
            start_producer(platform, chance.randrange(10**6))
            recoveries.append(Recovery("producer killed and started", seconds_until_newer(platform, killed)))


def _wait_for_a_commit(platform: Platform) -> None:
    before = last_batch(platform)
    wait_until(lambda: last_batch(platform) > before, COMMITTED_WITHIN_S, "no batch was committed")
