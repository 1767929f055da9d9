"""One started service: its process, everything that process started, its log and its pid file."""

import json
import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.repository import ROOT
from local.service import Service

MARK = "LOCAL_PLATFORM"
"""An environment variable in every process we start, naming the data folder it works on."""

TAIL_LINES = 25


@dataclass
class Running:
    """A service that has been started. Its process leads a session of its own, so a Ctrl-C does not reach it."""

    service: Service
    popen: "subprocess.Popen[bytes]"
    log: Path
    pid_file: Path
    started_at: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self.popen.poll()

    def stop(self) -> None:
        """Ask it to end; end it and all it started by force when it takes longer than it may."""
        family = family_of(self.pid)
        if self.exit_code is None:
            self.popen.send_signal(self.service.stop_signal)
            _wait(self.popen, self.service.stop_within)
        self._end_by_force(family)

    def kill(self) -> None:
        """End it and all it started without warning, as a crash would."""
        self._end_by_force(family_of(self.pid))

    def _end_by_force(self, family: Iterable[psutil.Process]) -> None:
        kill_all([*family, *family_of(self.pid)])
        self.popen.wait()
        self.pid_file.unlink(missing_ok=True)


def launch(service: Service, env: dict[str, str], data: Path) -> Running:
    """Start a service; what it prints is appended to <data>/logs/<name>.log."""
    log, pid_file = data / "logs" / f"{service.name}.log", data / "run" / f"{service.name}.pid"
    for file in (log, pid_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            service.command(),
            cwd=ROOT,
            env={**env, **service.env, MARK: str(data)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _write_record(pid_file, {"pid": popen.pid, "service": service.name, "stop_signal": int(service.stop_signal)})
    return Running(service, popen, log, pid_file)


def end_strays(data: Path) -> list[str]:
    """End what an earlier platform on this folder left behind when it was killed. Returns the services' names.

    A process counts as ours only when it is in the session that the pid file names and carries our mark for this
    folder, so a stranger that was given the same pid later is never touched.
    """
    ended = []
    for file in sorted((data / "run").glob("*.pid")):
        record = json.loads(file.read_text())
        family = [process for process in family_of(record["pid"]) if _is_marked(process, data)]
        if family:
            _ask_to_end([process for process in family if process.pid == record["pid"]], record["stop_signal"])
            kill_all(family)
            ended.append(record["service"])
        file.unlink()
    return ended


def family_of(leader: int) -> list[psutil.Process]:
    """The processes of a session, and everything they started even where it has left the session."""
    members = [process for process in psutil.process_iter() if _session(process.pid) == leader]
    children = [child for member in members for child in _children(member)]
    return list({process.pid: process for process in [*members, *children]}.values())


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """End processes by force and wait until they are gone."""
    doomed = list(processes)
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(doomed, timeout=5)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log."""
    if not log.is_file():
        return "(nothing was logged)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _ask_to_end(processes: list[psutil.Process], stop_signal: int) -> None:
    for process in processes:
        process.send_signal(stop_signal)
    psutil.wait_procs(processes, timeout=10)


def _write_record(file: Path, record: dict[str, str | int]) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(record))
    draft.replace(file)


def _wait(popen: "subprocess.Popen[bytes]", seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while popen.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children


def _is_marked(process: psutil.Process, data: Path) -> bool:
    try:
        mark: str | None = process.environ().get(MARK)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return mark == str(data)
