"""The service as a process: a real socket, a real live stream, a clean end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

import serving
from local.ports import Ports

ROOT = Path(serving.__file__).parent.parent


@pytest.fixture
def address() -> str:
    return f"http://127.0.0.1:{Ports.free().api}"


@pytest.fixture
def process(address: str, api_url: str) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "DATABASE_URL": api_url, "API_PORT": address.rsplit(":", 1)[1], "API_KPI_POLL_SECONDS": "0.2"}
    with subprocess.Popen([sys.executable, "-m", "serving"], cwd=ROOT, env=env) as started:
        wait_until_ready(address)
        yield started
        started.kill()


def wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    raise AssertionError("the service did not become ready")


def listeners(address: str) -> float:
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("api_stream_listeners "))


def test_listeners_share_the_readings_and_are_forgotten_when_they_leave(
    process: subprocess.Popen[bytes], address: str, superuser: psycopg.Connection
) -> None:
    with httpx.stream("GET", f"{address}/api/analytics/kpis/stream", timeout=5) as stream:
        lines = stream.iter_lines()
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next(line for line in lines if line.startswith("event:")) == "event: history"
        for _ in range(3):
            assert next(line for line in lines if line == "event: kpi")
        assert listeners(address) == 1
    deadline = time.monotonic() + 3
    while listeners(address) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert listeners(address) == 0


def test_an_open_stream_does_not_hold_up_the_end(process: subprocess.Popen[bytes], address: str) -> None:
    with httpx.stream("GET", f"{address}/api/analytics/kpis/stream", timeout=5) as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line == "event: kpi")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        list(lines)
    assert process.wait(timeout=3) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 3
