"""Reprocessing killed with -9 while the stream runs: the next run finishes the work, and every account agrees."""

import os
import sys
import time
from datetime import UTC, date, datetime
from functools import partial
from random import Random
from subprocess import PIPE, Popen

import psutil

from domain.contracts import topics
from local.platform import Platform
from local.repository import ROOT
from local.services import declare
from spark_jobs.lake import has_table, open_table
from tests.chaos.load import FLOWING_WITHIN_S, Recovery, seconds_until_newer, under_load, wait_until

KILLS = 3
REPROCESSED_WITHIN_S = 600


def test_reprocessing_killed_at_any_moment(platform: Platform, recoveries: list[Recovery], chance: Random) -> None:
    with under_load(platform, chance.randrange(10**6)):
        first = datetime.now(UTC).date()
        _damage(platform)
        for number in range(KILLS):
            process = _reprocess(platform, first)
            _wait_for(process, "judged anew" if number % 2 else "live.payments")
            time.sleep(chance.uniform(0.0, 3.0))
            process.kill()
            process.wait()
            seconds = seconds_until_newer(platform, datetime.now(UTC))
            recoveries.append(Recovery("reprocessing killed, the stream goes on", seconds))
        began = time.monotonic()
        process = _reprocess(platform, first)
        output = process.communicate(timeout=REPROCESSED_WITHIN_S)[1]
        assert process.returncode == 0, output
        recoveries.append(Recovery("reprocessing run again to its end", time.monotonic() - began))


def _damage(platform: Platform) -> None:
    """Take a third of Silver away while the stream holds its breath: its next append would be in the way."""
    lake = str(platform.site.lake)
    tables = [topics()[name].silver for name in ("payments.transactions", "ecommerce.transactions")]
    for silver in tables:
        wait_until(partial(has_table, lake, silver), FLOWING_WITHIN_S, f"the lake has no {silver}")
    stream = psutil.Process(platform.pid("stream"))
    stream.suspend()
    try:
        for silver in tables:
            open_table(lake, silver).delete("source_offset % 3 = 0")
    finally:
        stream.resume()


def _reprocess(platform: Platform, first: date) -> Popen[str]:
    last = datetime.now(UTC).date()
    command = [sys.executable, "-m", "spark_jobs", "reprocess", "--from", str(first), "--to", str(last)]
    folder = platform.data / "tmp"
    folder.mkdir(exist_ok=True)
    env = {**os.environ, **declare(platform.site)["stream"].env, "TMPDIR": str(folder)}
    return Popen(command, cwd=ROOT, env=env, stderr=PIPE, text=True)


def _wait_for(process: Popen[str], words: str) -> None:
    """Read what the process says until these words come."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    raise AssertionError("reprocessing ended early:\n" + "".join(said))
