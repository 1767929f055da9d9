"""Starts again what has ended unasked, ever more slowly while it keeps ending."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from local.errors import LocalError
from local.process import Running
from local.service import Service

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 30.0
CALM_AFTER_S = 30.0
"""A service that ran this long is well again: its next restart is quick."""

HOPELESS_AFTER = 3
"""Quick ends in a row after which nobody should go on waiting for a service; it is still being restarted."""


def delay_before_restart(quick_ends: int) -> float:
    """Seconds to wait before the next start of a service that ended this many times shortly after a start."""
    return min(FIRST_DELAY_S * pow(2.0, min(quick_ends, 30)), LONGEST_DELAY_S)


class Supervisor:
    """Watches the running services from a thread of its own."""

    def __init__(self, running: dict[str, Running], lock: threading.RLock, launch: Callable[[Service], None]) -> None:
        self._running = running
        self._lock = lock
        self._launch = launch
        self._restarts: Counter[str] = Counter()
        self._quick_ends: Counter[str] = Counter()
        self._due: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def end(self) -> None:
        """Stop watching; the services are left as they are."""
        self._over.set()
        self._thread.join()

    def restarts(self, name: str) -> int:
        """How often this service was started again."""
        return self._restarts[name]

    def keeps_ending(self, service: Service) -> bool:
        """Whether starting it again is not going to help."""
        return not service.restarts or self._quick_ends[service.name] >= HOPELESS_AFTER

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            with self._lock:
                for name, running in list(self._running.items()):
                    if running.exit_code is not None and running.service.restarts and not running.service.one_shot:
                        self._see_to(name, running)

    def _see_to(self, name: str, running: Running) -> None:
        now = time.monotonic()
        if name not in self._due:
            if now - running.started_at > CALM_AFTER_S:
                self._quick_ends[name] = 0
            self._due[name] = now + delay_before_restart(self._quick_ends[name])
            self._quick_ends[name] += 1
        elif now >= self._due[name]:
            del self._due[name]
            self._start_again(running)

    def _start_again(self, running: Running) -> None:
        running.kill()
        self._restarts[running.service.name] += 1
        try:
            self._launch(running.service)
        except (LocalError, OSError) as error:
            with running.log.open("a") as log:
                log.write(f"could not be started again, will be tried later: {error}\n")
