"""Containers get what the local processes get: the same services with the same variables."""

from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from local.credentials import PASSWORDS
from local.kafka_broker import properties
from local.ports import Ports
from local.services import declare, producer
from local.site import Site
from ml.anomalies.settings import AnomaliesSettings
from postgres.settings import MigrateSettings
from producer.settings import ProducerSettings
from serving.settings import ApiSettings
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.settings import StreamSettings

IN_THE_IMAGE = {"STREAM_JARS_DIR"}
"""Set by a Dockerfile, because it says where something lies in the image."""

IN_AN_ADDRESS = {"POSTGRES_PASSWORD"}
"""The superuser's password: migrations read it in POSTGRES_ADMIN_URL."""

ELSEWHERE = {"dbt-repeatedly": "dbt", "registry": "schema-registry"}

PLACED_OTHERWISE = {
    "process.roles",
    "node.id",
    "controller.quorum.voters",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "log.dirs",
}
"""What depends on where the broker runs."""


@pytest.fixture
def site() -> Site:
    return Site(Path("/data"), Ports(), dict.fromkeys(PASSWORDS, "secret"))


def test_every_local_service_is_a_container_with_at_least_its_variables(site: Site, services: dict[str, Any]) -> None:
    local = {**declare(site), "producer": producer(site, "producer", "simulate")}
    local["backfill"] = producer(site, "backfill", "backfill", one_shot=True)
    for name, service in local.items():
        container = services[ELSEWHERE.get(name, name)]
        # The registry's own addresses are those of its image.
        wanted = {variable for variable in service.env if not variable.startswith("QUARKUS_")}
        missing = wanted - container.get("environment", {}).keys() - IN_THE_IMAGE - IN_AN_ADDRESS
        assert not missing, f"{name} lacks {sorted(missing)} in docker-compose.yml"


def test_mlflow_answers_to_the_same_names(site: Site, services: dict[str, Any]) -> None:
    name = "MLFLOW_SERVER_ALLOWED_HOSTS"
    assert services["mlflow"]["environment"][name] == declare(site)["mlflow"].env[name]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("init", ProducerSettings),
        ("backfill", ProducerSettings),
        ("producer", ProducerSettings),
        ("stream", StreamSettings),
        ("maintenance", MaintenanceSettings),
        ("anomalies", AnomaliesSettings),
        ("migrate", MigrateSettings),
        ("api", ApiSettings),
    ],
)
def test_every_setting_of_a_service_can_reach_its_container(
    name: str, settings: type[BaseSettings], services: dict[str, Any]
) -> None:
    prefix = settings.model_config.get("env_prefix", "")
    fields = settings.model_fields.items()
    variables = {str(field.validation_alias or f"{prefix}{key}".upper()) for key, field in fields}
    missing = variables - services[name]["environment"].keys() - IN_THE_IMAGE
    assert not missing, f"add {sorted(missing)} to the environment of {name}"


def test_the_broker_is_set_up_alike(site: Site, services: dict[str, Any]) -> None:
    given = {name: str(value) for name, value in services["kafka"]["environment"].items()}
    for name, value in properties(site).items():
        if name not in PLACED_OTHERWISE:
            assert given["KAFKA_" + name.upper().replace(".", "_")] == value, name
