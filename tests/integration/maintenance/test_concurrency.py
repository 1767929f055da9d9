"""Maintenance beside a writer, and killed again and again: every row is there once."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from random import Random

from deltalake import DeltaTable

from local.repository import ROOT
from spark_jobs.lake import BatchIdentity, Lake
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.maintenance.tables import data_files

from .conftest import TABLE, TODAY, purchases, stored
from .programs import MAINTAINER, WRITER, start

KILLS = 3
BATCHES = 200


def test_compaction_killed_many_times_beside_a_writer_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = Random(7)
    lake = tmp_path / "lake"
    Lake(str(lake)).append(TABLE, purchases([-1], TODAY - timedelta(days=3)), BatchIdentity("first", 0), "event_date")
    writer = start(WRITER, str(lake), str(BATCHES))
    for _ in range(KILLS):
        maintainer = start(MAINTAINER, str(lake))
        assert maintainer.stdout is not None
        assert maintainer.stdout.readline() == "began\n"
        time.sleep(chance.uniform(0.05, 0.6))
        maintainer.send_signal(signal.SIGKILL)
        maintainer.wait()
    maintainer = start(MAINTAINER, str(lake))
    assert writer.wait(timeout=120) == 0
    assert maintainer.stdout is not None
    lines = 0
    while lines < 3:
        lines += maintainer.stdout.readline() == "round\n"
    maintainer.kill()
    maintainer.wait()
    assert stored(lake) == [-1, *range(BATCHES)]
    table = DeltaTable(str(lake / TABLE))
    assert len(data_files(table)) < 20
    assert any(one["operation"] == "OPTIMIZE" for one in table.history())


def test_a_run_of_the_command_says_what_it_did_and_what_is_wrong(settings: MaintenanceSettings) -> None:
    Path(settings.lake_uri).mkdir(parents=True)
    environment = {**os.environ, "DATABASE_URL": settings.database_url, "LAKE_URI": settings.lake_uri}
    command = [sys.executable, "-m", "spark_jobs", "maintain", "--table", "nonsense"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == f"no table nonsense in {settings.lake_uri}"
