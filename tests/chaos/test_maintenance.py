"""Maintenance of the lake killed in the middle of its work, again and again, while the stream writes."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from random import Random

from deltalake import DeltaTable

from domain.contracts import topics
from local.platform import Platform
from local.repository import ROOT
from spark_jobs.maintenance.tables import data_files
from tests.chaos.load import Recovery, seconds_until_newer, under_load
from tests.e2e.evidence import Sources, wait_until_drained

KILLS = 8
BRONZE = topics()["payments.transactions"].bronze


def maintain(platform: Platform) -> subprocess.Popen[bytes]:
    """All steps, in a process of their own."""
    site = platform.site
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": site.database_url("stream"),
        "LAKE_URI": str(site.lake),
        "ARCHIVE_URI": str(site.data / "archive"),
    }
    return subprocess.Popen([sys.executable, "-m", "spark_jobs", "maintain"], env=environment, cwd=ROOT)


def seconds_of_a_run(platform: Platform) -> float:
    """How long a run takes that nobody disturbs."""
    began = time.monotonic()
    assert maintain(platform).wait(timeout=300) == 0
    return time.monotonic() - began


def test_maintenance_killed_at_any_moment_loses_and_doubles_nothing(
    platform: Platform, recoveries: list[Recovery], chance: Random
) -> None:
    platform.stop("maintenance")
    with under_load(platform, chance.randrange(10**6)):
        longest = seconds_of_a_run(platform)
        for _ in range(KILLS):
            time.sleep(chance.uniform(1, 4))
            running = maintain(platform)
            delay = chance.uniform(0.3, 1.0) * longest
            time.sleep(delay)
            running.send_signal(signal.SIGKILL)
            running.wait()
        recoveries.append(Recovery("maintenance killed", seconds_until_newer(platform, _now())))
    seconds_of_a_run(platform)
    wait_until_drained(Sources.of(platform), 60)
    assert len(data_files(DeltaTable(str(platform.site.lake / BRONZE)))) < 100


def _now() -> datetime:
    return datetime.now(UTC)
