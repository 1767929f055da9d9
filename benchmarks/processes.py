"""How much processor time each part of the platform used, seen from outside."""

from collections import defaultdict
from collections.abc import Iterable

import psutil

from local.platform import Platform
from local.process import family_of

Cpu = dict[str, float]
"""Processor seconds since the start of each part, by its name."""

OTHERS = "other programs"


def cpu_seconds(platform: Platform, names: Iterable[str]) -> Cpu:
    """Processor seconds of services so far, with all they started; the stream's JVM counts apart from its driver.

    What else the machine did is `other programs`: with much of it, the figures say more about them than about us.
    """
    used: Cpu = defaultdict(float)
    for name in names:
        if platform.is_running(name):
            for process in family_of(platform.pid(name)):
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


def _used(service: str, process: psutil.Process) -> tuple[str, float]:
    try:
        times, is_java = process.cpu_times(), process.name() == "java"
    except psutil.NoSuchProcess:
        return service, 0.0
    label = f"{service} {'JVM' if is_java else 'driver'}" if service == "stream" else service
    return label, times.user + times.system + times.children_user + times.children_system
