"""How much processor time and memory each part of the platform uses, seen from outside."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from local.platform import Platform
from local.process import family_of

Cpu = dict[str, float]
"""Processor seconds since the start of each part, by its name."""

OTHERS = "other programs"
_MIB = 2**20
_OLD_GENERATION = re.compile(r"ParOldGen +total \d+K, used (\d+)K")
_JVM_SECONDS = 30


def cpu_seconds(platform: Platform, names: Iterable[str]) -> Cpu:
    """Processor seconds of services so far, with all they started; the stream's JVM counts apart from its driver.

    What else the machine did is `other programs`: with much of it, the figures say more about them than about us.
    """
    used: Cpu = defaultdict(float)
    for name, process in _processes(platform, names):
        label, seconds = _used(name, process)
        used[label] += seconds
    own = psutil.Process().cpu_times()
    used["this benchmark"] = own.user + own.system
    used[OTHERS] = _machine_seconds() - sum(used.values())
    return dict(used)


def _machine_seconds() -> float:
    times = psutil.cpu_times()
    idle: float = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts the time of guests as user time as well.
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def between(before: Cpu, after: Cpu) -> Cpu:
    """Processor seconds used from one reading to a later one, the hungriest first."""
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    return dict(sorted(spent.items(), key=lambda item: -item[1]))


def memory_mib(platform: Platform, names: Iterable[str]) -> dict[str, float]:
    """Resident memory of services now, by the same parts; pages that processes share are divided among them."""
    used: dict[str, float] = defaultdict(float)
    for name, process in _processes(platform, names):
        with suppress(psutil.NoSuchProcess):
            used[_part(name, process)] += process.memory_full_info().pss / _MIB
    return dict(used)


def live_heap_mib(platform: Platform, name: str) -> float | None:
    """What a full collection leaves in the heap of a service's JVM, which it makes; None where there is no JDK's jcmd.

    A heap of fixed size says nothing by the memory it takes: only what is alive in it tells whether it leaks.
    """
    java = next(process for process in family_of(platform.pid(name)) if process.name() == "java")
    jcmd = Path(java.exe()).with_name("jcmd")
    if not jcmd.exists():
        return None
    ask = partial(subprocess.run, capture_output=True, text=True, timeout=_JVM_SECONDS, check=True)
    ask([str(jcmd), str(java.pid), "GC.run"])
    told = ask([str(jcmd), str(java.pid), "GC.heap_info"]).stdout
    found = _OLD_GENERATION.search(told)
    if found is None:
        raise RuntimeError(f"the JVM of {name} tells its heap in words that are not known here: {told}")
    return int(found[1]) / 1024


def _processes(platform: Platform, names: Iterable[str]) -> Iterator[tuple[str, psutil.Process]]:
    """The processes of the services that run, each with its service's name."""
    for name in names:
        if platform.is_running(name):
            for process in family_of(platform.pid(name)):
                yield name, process


def _used(service: str, process: psutil.Process) -> tuple[str, float]:
    try:
        part, times = _part(service, process), process.cpu_times()
    except psutil.NoSuchProcess:
        return service, 0.0
    return part, times.user + times.system + times.children_user + times.children_system


def _part(service: str, process: psutil.Process) -> str:
    return f"{service} {'JVM' if process.name() == 'java' else 'driver'}" if service == "stream" else service
