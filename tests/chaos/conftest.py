"""One platform for all kills, and the list of how long each recovery took, printed at the end."""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.platform import Platform
from local.ports import Ports
from tests.chaos.load import Recovery

RECOVERIES = pytest.StashKey[list[Recovery]]()
SEED = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECOVERIES] = []
    config.stash[SEED] = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


def pytest_report_header(config: pytest.Config) -> str:
    return f"CHAOS_SEED={config.stash[SEED]} (set it to draw the same moments again)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how long it took, after each blow, until events that happened after it were visible."""
    terminalreporter.section(f"recoveries, CHAOS_SEED={config.stash[SEED]}")
    for recovery in config.stash[RECOVERIES]:
        terminalreporter.write_line(f"{recovery.seconds:7.1f} s  {recovery.what}")


@pytest.fixture
def recoveries(request: pytest.FixtureRequest) -> list[Recovery]:
    """Append to it; it is printed at the end."""
    return request.config.stash[RECOVERIES]


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Draws the same for each test whenever the seed is the same."""
    return random.Random(f"{request.config.stash[SEED]}/{request.node.name}")


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Everything that the money path needs, running. PLATFORM_DATA=folder keeps the data for a look afterwards."""
    kept = os.environ.get("PLATFORM_DATA")
    data = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="platform-"))
    with Platform(data, Ports.free(), fresh=True) as started:
        started.start("stream", "api", "dbt")
        yield started
    if not kept:
        shutil.rmtree(data)
