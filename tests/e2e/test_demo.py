"""The whole platform once: everything started, history, live purchases, and every event accounted for."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local import demo
from local.platform import Platform
from local.ports import Ports

RATE = 200
SECONDS = 10.0


@pytest.fixture
def platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="platform-") as folder, Platform(Path(folder), Ports.free()) as entered:
        yield entered


def test_a_demo_ends_well_and_its_kpi_equals_the_ledger(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    code = demo.run(platform, demo.Plan(rate=RATE, seconds=SECONDS))
    said = capsys.readouterr().out
    assert code == 0, said
    assert "every count agrees" in said
    assert "API_URL=" in said

    counts = {count.what: count for count in demo.settle(platform, within=0)}
    assert counts["payment attempts"].found > demo.HISTORY_PURCHASES + RATE * SECONDS * 0.9
    assert counts["bad: undecodable"].found > 0

    kpis = httpx.get(f"{platform.site.api}/api/analytics/kpis", params={"window": "all_time"}, timeout=10)
    assert kpis.raise_for_status().json()["attempts"] == counts["payment attempts"].sent
    page = httpx.get(platform.site.api, timeout=10).raise_for_status()
    assert "text/html" in page.headers["content-type"]
