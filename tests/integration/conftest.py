"""One platform for all integration tests: real services on free ports, each started when a test first asks for it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.platform import Platform
from local.ports import Ports


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Ask for what you need: `platform.start("postgres", "migrate")`; what runs already is reused.

    `platform.env` holds addresses and passwords, `platform.site.database_url(role)` a URL for each role. The logs are
    printed by the errors; PLATFORM_DATA=folder keeps them for a look afterwards.
    """
    kept = os.environ.get("PLATFORM_DATA")
    data = Path(kept) if kept else Path(tempfile.mkdtemp(prefix="platform-"))
    with Platform(data, Ports.free()) as started:
        yield started
    if not kept:
        shutil.rmtree(data)
