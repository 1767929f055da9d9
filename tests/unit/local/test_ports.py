"""Ports come from the environment or from what is free."""

import socket
from dataclasses import astuple

import pytest

from local.errors import LocalError
from local.ports import LOCALHOST, Ports, is_taken


def test_ports_are_the_documented_ones_when_nothing_is_set() -> None:
    ports = Ports.from_environment({})
    assert (ports.kafka, ports.registry, ports.postgres, ports.api) == (9092, 8081, 5433, 8000)


def test_a_variable_overrides_one_port() -> None:
    ports = Ports.from_environment({"KAFKA_PORT": "19092"})
    assert (ports.kafka, ports.registry) == (19092, 8081)


@pytest.mark.parametrize("value", ["nine", "0", "65536", "-1", "9092.0"])
def test_what_is_no_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(LocalError, match="KAFKA_PORT"):
        Ports.from_environment({"KAFKA_PORT": value})


def test_free_ports_are_all_different() -> None:
    ports = astuple(Ports.free())
    assert len(set(ports)) == len(ports)


def test_a_port_that_something_listens_on_is_taken() -> None:
    with socket.create_server((LOCALHOST, 0)) as server:
        port = server.getsockname()[1]
        assert is_taken(port)
    assert not is_taken(port)
