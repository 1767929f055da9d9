"""How a job begins and ends."""

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
import typer

from programs.service import pause_of, run_until_signal, settings_of
from spark_jobs.windows.settings import WindowsSettings


@pytest.fixture(autouse=True)
def keep_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_is_missing_or_wrong_in_the_environment_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("WINDOWS_TICK_ROWS", "many")
    with pytest.raises(typer.Exit):
        settings_of(WindowsSettings)
    (line,) = capsys.readouterr().err.splitlines()
    assert "DATABASE_URL" in line
    assert "tick_rows" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_the_job_to_stop(number: signal.Signals) -> None:
    stop = threading.Event()

    def run() -> None:
        os.kill(os.getpid(), number)
        assert stop.wait(5)

    run_until_signal(run, stop.set, 0)


def test_a_port_in_use_is_told_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(typer.Exit):
            run_until_signal(lambda: pytest.fail("it ran"), lambda: None, port)
    assert f"port {port}" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30.0), ("10m", 600.0), ("2h", 7200.0)])
def test_a_pause_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert pause_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "0s", "-1m", "1d", "1.5h"])
def test_any_other_pause_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no pause"):
        pause_of(text)
