"""Starts services in the order of their needs, keeps them running, and ends them: a small compose for processes."""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local import services
from local.credentials import ensure_passwords
from local.errors import LocalError
from local.ports import Ports, is_taken, variable
from local.process import Running, end_strays, launch, tail
from local.repository import ROOT
from local.service import Service
from local.site import Site
from local.supervision import Supervisor

Report = Callable[[str, float], None]
"""Told the name of each service that became ready and the seconds it took."""


def silent(_name: str, _seconds: float) -> None:
    """Reports nothing."""


class Platform:
    """The services on one data folder. Use it as a context manager, so that nothing outlives it.

    Everything durable lies in the folder: a platform on a folder that was used before goes on from there.
    """

    def __init__(self, data: Path, ports: Ports | None = None, *, report: Report = silent, fresh: bool = False) -> None:
        """`fresh` forgets what the folder holds when the platform is entered."""
        self.site = Site(data.absolute(), ports or Ports.from_environment(), ensure_passwords(data / "secrets.env"))
        self._declared = services.declare(self.site)
        self._report = report
        self._fresh = fresh
        self._running: dict[str, Running] = {}
        self._ready: set[str] = set()
        """What was ready once, and the one-shots that are done."""
        self._lock = threading.RLock()
        self._folder_lock: IO[str] | None = None
        self._supervisor = Supervisor(self._running, self._lock, self._launch)

    @property
    def data(self) -> Path:
        return self.site.data

    @property
    def env(self) -> dict[str, str]:
        """Addresses and passwords of the services, by the names of the environment variables they go by."""
        return self.site.env

    def __enter__(self) -> Self:
        self._folder_lock = _claim(self.data)
        end_strays(self.data)
        if self._fresh:
            _forget(self.data)
        self._supervisor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._supervisor.end()
        if self._folder_lock:
            self._folder_lock.close()

    def start(self, *names: str) -> None:
        """Start services and whatever they need, and return when all are ready.

        What runs already, and one-shots that were done already, are left alone. Raises LocalError with the end of
        the log when one does not become ready in its time.
        """
        for service in self._roots(names):
            self._launch_once(service)
        for name in names:
            self.start_service(self._service(name))

    def begin(self, *names: str) -> None:
        """Start services whose needs are ready, without waiting: for those that nothing else here needs."""
        for name in names:
            self._launch_once(self._service(name))

    def start_service(self, service: Service) -> None:
        """Start a service that is not among the declared ones, such as a run of the producer."""
        self._declared[service.name] = service
        if service.name in self._ready:
            return
        self.start(*service.needs)
        self._launch_once(service)
        began = self._running[service.name].started_at
        self.wait_until_ready(service.name)
        self._ready.add(service.name)
        self._report(service.name, time.monotonic() - began)

    def run(self, service: Service | str) -> None:
        """Run a one-shot, also when it was done before."""
        name = service if isinstance(service, str) else service.name
        self._ready.discard(name)
        self.start_service(self._service(name) if isinstance(service, str) else service)

    def wait_until_ready(self, name: str, within: float | None = None) -> None:
        """Wait for a service that was started, or that was killed and is being started again.

        Raises LocalError when it takes longer than `within` seconds (else its own limit), or ends for good.
        """
        service = self._declared[name]
        deadline = time.monotonic() + (within or service.ready_within)
        while time.monotonic() < deadline:
            if self._has_become_ready(service):
                return
            time.sleep(0.1)
        raise LocalError(self._complaint(service, f"was not ready within {within or service.ready_within:.0f} s"))

    def is_running(self, name: str) -> bool:
        """Whether the process of a service is there now."""
        running = self._running.get(name)
        return running is not None and running.exit_code is None

    def kill(self, name: str) -> None:
        """End a service by force, with everything it started; the supervisor starts it again."""
        with self._lock:
            self._running[name].kill()

    def pid(self, name: str) -> int:
        """The process id of a running service."""
        return self._running[name].pid

    def restarts(self, name: str) -> int:
        """How often a service was started again."""
        return self._supervisor.restarts(name)

    def stop(self, *names: str) -> None:
        """End services, the last started first; all of them when none is named. They are not started again."""
        for name in [name for name in reversed(self._running) if not names or name in names]:
            with self._lock:
                running = self._running.pop(name)
            self._ready.discard(name)
            running.stop()

    def log(self, name: str) -> Path:
        """The file with everything a service printed."""
        return self.data / "logs" / f"{name}.log"

    def _service(self, name: str) -> Service:
        if name not in self._declared:
            raise LocalError(f"no service {name!r}: there are {', '.join(sorted(self._declared))}")
        return self._declared[name]

    def _roots(self, names: Iterable[str]) -> list[Service]:
        """What needs nothing, among some services and all they need: these can come up side by side."""
        wanted = [self._service(name) for name in names if name not in self._ready]
        deeper = [root for service in wanted for root in self._roots(service.needs)]
        return [*deeper, *(service for service in wanted if not service.needs)]

    def _launch_once(self, service: Service) -> None:
        if service.name in self._running:
            return
        self._refuse_taken_ports(service)
        with self._lock:
            self._launch(service)

    def _launch(self, service: Service) -> None:
        service.prepare()
        self._running[service.name] = launch(service, _base_environment(), self.data)

    def _has_become_ready(self, service: Service) -> bool:
        running = self._running.get(service.name)
        if running is None:
            raise LocalError(f"{service.name} was not started")
        code = running.exit_code
        if service.one_shot:
            return code is not None and self._finish(service, code)
        if code is not None and self._supervisor.keeps_ending(service):
            raise LocalError(self._complaint(service, f"ended with code {code}"))
        return code is None and service.is_ready()

    def _finish(self, service: Service, code: int) -> bool:
        with self._lock:
            self._running.pop(service.name).stop()
        if code != 0:
            raise LocalError(self._complaint(service, f"failed with code {code}"))
        return True

    def _complaint(self, service: Service, what: str) -> str:
        log = self.log(service.name)
        return f"{service.name} {what}. The end of {log}:\n{tail(log)}"

    def _refuse_taken_ports(self, service: Service) -> None:
        for name, port in service.ports.items():
            if is_taken(port):
                other = port + 10_000 if port < 50_000 else port - 10_000
                raise LocalError(
                    f"port {port} ({service.name}) is taken by another program: end that one, "
                    f"or choose another port, such as {variable(name)}={other}"
                )


def _base_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TZ": "UTC"}


def _forget(data: Path) -> None:
    """Delete everything but the lock that is held and the passwords that are already in use."""
    for entry in data.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)


def _claim(data: Path) -> IO[str]:
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise LocalError(f"another platform is running on {data}: end it first, or use another folder") from None
    return lock
