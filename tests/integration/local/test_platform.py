"""The platform with small stand-in services: order, readiness, restarts, clean ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.errors import LocalError
from local.platform import Platform
from local.ports import Ports, is_taken
from local.service import Service

FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def script(name: str, code: str = FOREVER, **declared: Any) -> Service:
    """A service that is a few lines of Python."""
    return Service(name, command=lambda: [sys.executable, "-c", code], **declared)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(tmp_path, Ports.free()) as entered:
        yield entered


def eventually(is_so: Callable[[], bool], within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()


def test_a_one_shot_is_waited_for_and_run_once(platform: Platform, tmp_path: Path) -> None:
    count = tmp_path / "count"
    once = script("once", f"open({str(count)!r}, 'a').write('x')", one_shot=True)
    platform.start_service(once)
    platform.start_service(once)
    assert count.read_text() == "x"
    platform.run("once")
    assert count.read_text() == "xx"


def test_a_failing_one_shot_shows_the_end_of_its_log(platform: Platform) -> None:
    with pytest.raises(LocalError, match=r"failed with code 3(.|\n)*the disk is full"):
        platform.start_service(script("once", "print('the disk is full'); raise SystemExit(3)", one_shot=True))


def test_what_a_service_needs_is_started_first(platform: Platform, tmp_path: Path) -> None:
    order = tmp_path / "order"
    note = f"open({str(order)!r}, 'a').write"
    platform._declared["first"] = script("first", f"{note}('1')", one_shot=True)
    platform.start_service(script("second", f"{note}('2')", one_shot=True, needs=("first",)))
    assert order.read_text() == "12"


def test_a_service_that_does_not_become_ready_is_reported_with_its_log(platform: Platform) -> None:
    with pytest.raises(LocalError, match=r"slow was not ready within 1 s(.|\n)*up"):
        platform.start_service(script("slow", is_ready=lambda: False, ready_within=1))


def test_a_service_that_keeps_ending_is_reported_before_its_time_is_over(platform: Platform) -> None:
    began = time.monotonic()
    with pytest.raises(LocalError, match="ended with code 7"):
        platform.start_service(script("broken", "raise SystemExit(7)", is_ready=lambda: False, ready_within=60))
    assert time.monotonic() - began < 10


def test_a_killed_service_is_started_again(platform: Platform) -> None:
    platform.start_service(script("steady"))
    before = platform.pid("steady")
    platform.kill("steady")
    assert eventually(lambda: platform.is_running("steady") and platform.pid("steady") != before)
    assert platform.restarts("steady") == 1


def test_a_service_that_is_stopped_stays_stopped(platform: Platform) -> None:
    platform.start_service(script("steady"))
    platform.stop("steady")
    time.sleep(0.5)
    assert not platform.is_running("steady")


def test_a_run_that_must_not_repeat_is_left_ended(platform: Platform) -> None:
    platform.start_service(script("run", restarts=False))
    platform.kill("run")
    time.sleep(0.5)
    assert not platform.is_running("run")
    assert platform.restarts("run") == 0


def test_killing_a_service_ends_its_children_even_in_sessions_of_their_own(platform: Platform, tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        f" start_new_session=True); open({str(child)!r}, 'w').write(str(p.pid)); p.wait()"
    )
    platform.start_service(
        script("parent", code, restarts=False, is_ready=lambda: child.exists() and child.read_text() != "")
    )
    pid = int(child.read_text())
    platform.kill("parent")
    assert eventually(lambda: not psutil.pid_exists(pid))


def test_a_service_that_ignores_the_polite_signal_is_ended_by_force(platform: Platform) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    log = platform.log("deaf")
    platform.start_service(script("deaf", code, stop_within=0.5, is_ready=lambda: "up" in log.read_text()))
    pid = platform.pid("deaf")
    platform.stop("deaf")
    assert not psutil.pid_exists(pid)


def test_a_taken_port_is_named_with_the_variable_that_changes_it(platform: Platform) -> None:
    port = platform.site.ports.api
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(600)"
    platform.start_service(script("squatter", listen, is_ready=lambda: is_taken(port)))
    with pytest.raises(LocalError, match=rf"port {port} \(late\) is taken .* such as API_PORT="):
        platform.start_service(script("late", ports={"api": port}))


def test_an_unknown_service_is_refused_with_the_known_ones(platform: Platform) -> None:
    with pytest.raises(LocalError, match="no service 'kafak': there are anomalies, api, "):
        platform.start("kafak")


def test_two_platforms_never_share_a_folder(platform: Platform) -> None:
    with pytest.raises(LocalError, match="another platform is running"), Platform(platform.data, Ports.free()):
        pass


def test_nothing_is_left_running_at_the_end(tmp_path: Path) -> None:
    with Platform(tmp_path, Ports.free()) as platform:
        platform.start_service(script("steady"))
        pid = platform.pid("steady")
    assert not psutil.pid_exists(pid)


ABANDON = """
import os, sys, time
from pathlib import Path
from local.platform import Platform
from local.ports import Ports
from local.service import Service
with Platform(Path(sys.argv[1]), Ports.free()) as platform:
    platform.start_service(Service("steady", command=lambda: [sys.executable, "-c", "import time; time.sleep(600)"]))
    print(platform.pid("steady"), flush=True)
    time.sleep(600)
"""


def test_what_a_killed_platform_left_behind_is_ended_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ABANDON, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        stray = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert psutil.pid_exists(stray)
    with Platform(tmp_path, Ports.free()):
        assert not psutil.pid_exists(stray)


def test_a_stranger_with_the_pid_of_a_stray_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", FOREVER], start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        (tmp_path / "run").mkdir()
        record = f'{{"pid": {stranger.pid}, "service": "kafka", "stop_signal": 15}}'
        (tmp_path / "run" / "kafka.pid").write_text(record)
        with Platform(tmp_path, Ports.free()):
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_fresh_start_forgets_the_state_but_not_the_passwords(tmp_path: Path) -> None:
    with Platform(tmp_path, Ports.free()) as platform:
        platform.start_service(script("steady"))
        passwords = dict(platform.site.passwords)
    with Platform(tmp_path, Ports.free(), fresh=True) as platform:
        assert not platform.log("steady").exists()
        assert platform.site.passwords == passwords
