"""What the tests run in processes of their own: a writer, and maintenance that never rests."""

import os
import subprocess
import sys

from local.repository import ROOT

WRITER = """
import sys, time
from tests.integration.maintenance.conftest import TABLE, TODAY, purchases
from spark_jobs.lake import BatchIdentity, Lake
lake = Lake(sys.argv[1])
for batch in range(int(sys.argv[2])):
    lake.append(TABLE, purchases([batch], TODAY), BatchIdentity("writer", batch), "event_date")
    time.sleep(0.005)
"""

MAINTAINER = """
import sys
from datetime import UTC, datetime
from deltalake.exceptions import CommitFailedError
from spark_jobs.maintenance.compaction import compact
from spark_jobs.maintenance.tables import tables
from spark_jobs.maintenance.vacuum import vacuum
print("began", flush=True)
while True:
    for table in tables(sys.argv[1]):
        now = datetime.now(UTC)
        try:
            compact(table, now, 1 << 27)
            vacuum(table, now)
        except CommitFailedError:
            continue
        print("round", flush=True)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
