"""Which port each service listens on, all of them on 127.0.0.1."""

import os
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from local.errors import LocalError

LOCALHOST = "127.0.0.1"
_BELOW_EPHEMERAL = (20_000, 30_000)
"""Outgoing connections take their ports above; a service that restarts finds its own one still free."""


@dataclass(frozen=True)
class Ports:
    """The defaults of the platform; each can be set by an environment variable such as KAFKA_PORT."""

    kafka: int = 9092
    registry: int = 8081
    postgres: int = 5433
    api: int = 8000
    mlflow: int = 5002
    stream_metrics: int = 9101
    producer_metrics: int = 9102
    maintenance_metrics: int = 9105
    windows_metrics: int = 9103
    messages_metrics: int = 9106
    anomalies_metrics: int = 9104
    watching_metrics: int = 9107
    kafka_controller: int = 9193
    registry_management: int = 9190

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Ports":
        """The defaults, with what NAME_PORT variables say instead. Raises LocalError for what is no port."""
        chosen = {field.name: environment.get(variable(field.name)) for field in fields(cls)}
        return cls(**{name: _parse(name, value) for name, value in chosen.items() if value})

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing listens on now, all different: for tests, several of which may run at once."""
        found = _free_ports()
        return cls(**{field.name: next(found) for field in fields(cls)})


def variable(name: str) -> str:
    """The environment variable that sets a port."""
    return f"{name.upper()}_PORT"


def is_taken(port: int) -> bool:
    """Whether something listens on this port already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError:
            return True
    return False


def _free_ports() -> Iterator[int]:
    for port in random.sample(range(*_BELOW_EPHEMERAL), 2_000):
        if not is_taken(port):
            yield port
    raise LocalError(f"no free port between {_BELOW_EPHEMERAL[0]} and {_BELOW_EPHEMERAL[1]} on this machine")


def _parse(name: str, value: str) -> int:
    if not value.isdigit() or not 0 < int(value) < 65_536:
        raise LocalError(f"{variable(name)}={value!r} is not a port: give a number from 1 to 65535")
    return int(value)
