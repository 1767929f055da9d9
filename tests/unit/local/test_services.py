"""The declarations fit together."""

from pathlib import Path

import pytest

from local.credentials import PASSWORDS
from local.ports import Ports
from local.services import declare, producer
from local.site import Site


@pytest.fixture
def site() -> Site:
    return Site(Path("/data"), Ports(), {name: f"secret-{name.lower()}" for name in PASSWORDS})


def test_every_need_is_declared_and_none_is_circular(site: Site) -> None:
    services = declare(site)

    def depth(name: str, above: tuple[str, ...] = ()) -> int:
        assert name not in above, f"{name} needs itself"
        return 1 + max((depth(need, (*above, name)) for need in services[name].needs), default=0)

    assert depth("stream") == 3


def test_no_two_services_share_a_port(site: Site) -> None:
    ports = [port for service in declare(site).values() for port in service.ports.values()]
    assert len(ports) == len(set(ports))


def test_each_service_gets_its_own_role_and_no_other_password(site: Site) -> None:
    services = declare(site)
    assert "payments_stream:secret-payments_stream_password@" in services["stream"].env["DATABASE_URL"]
    assert "payments_api:secret-payments_api_password@" in services["api"].env["DATABASE_URL"]
    for name in ("stream", "api", "kafka", "registry"):
        assert "secret-postgres_password" not in str(services[name].env)


def test_a_simulation_is_not_started_again_when_it_ends(site: Site) -> None:
    assert not producer(site, "producer", "simulate").restarts


def test_a_backfill_leaves_the_metrics_port_to_the_simulation(site: Site) -> None:
    assert producer(site, "backfill", "backfill", one_shot=True).env["PRODUCER_METRICS_PORT"] == "0"
