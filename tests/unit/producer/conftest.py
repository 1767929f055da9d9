"""A small world and its events, shared by the tests of the simulator and its parts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from producer.events import Event
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator

START_MS = 1_772_323_200_000  # 2026-03-01T00:00:00Z
Simulate = Callable[..., list[Event]]


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    """Play a scenario: `simulate(purchases=…, rate=…, seed=…, bad_shares=…)`."""

    def play(purchases: int = 1000, rate: float = 100.0, start_ms: int = START_MS, **changes: Any) -> list[Event]:
        schedule = Schedule(rate, start_ms, purchases=purchases)
        scenario = Scenario(seed=7, schedule=schedule, customers=5000, merchants=100, bad_shares={})
        return list(Simulator(replace(scenario, **changes)))

    return play
