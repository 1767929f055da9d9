"""What a service is: the words in which services.py declares them."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

IsReady = Callable[[], bool]
"""Asks a running service once whether it can do its work; False when it cannot be reached."""


def at_once() -> bool:
    """For services that nobody waits for."""
    return True


@dataclass(frozen=True)
class Service:
    """One process of the platform.

    A one-shot does its work and ends with code 0 before what needs it is started; every other service is started
    again whenever it ends, unless `restarts` is off.
    """

    name: str
    command: Callable[[], list[str]]
    """Made only when the service starts, so that naming a service downloads nothing."""
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    """The ports it listens on, by the names of `Ports`."""
    prepare: Callable[[], None] = lambda: None
    """Run before each start: must do nothing when there is nothing left to prepare."""
    is_ready: IsReady = at_once
    ready_within: float = 60.0
    """Seconds after which a start that is not ready has failed; for a one-shot the time it may take."""
    one_shot: bool = False
    restarts: bool = True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 20.0
    """Seconds between the stop signal and the end by force."""
