"""docker-compose.yml keeps the rules that no engine checks."""

import re
from pathlib import Path
from typing import Any

from local.credentials import PASSWORDS, parse
from local.postgres_server import SETTINGS as POSTGRES_SETTINGS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
REFERENCE = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")
BUDGET_MIB = 7_680
"""What all limits may add up to, so that a machine of 8 GB carries the platform."""

OPTIONAL = (["metrics"], ["cluster"])
"""Profiles that nothing switches on by default."""

Services = dict[str, Any]


def mebibytes(text: str) -> int:
    return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]


def listed() -> dict[str, str]:
    """The variables of .env.example, those that are commented out as well."""
    return parse(re.sub(r"(?m)^#(?=[A-Z])", "", (ROOT / ".env.example").read_text()))


def test_what_keeps_running_has_a_health_check_and_is_started_again(lasting: Services) -> None:
    for name, service in lasting.items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name


def test_somebody_waits_for_every_one_shot(services: Services, lasting: Services) -> None:
    conditions = {(need, how["condition"]) for service in services.values() for need, how in _needs(service).items()}
    for name in services.keys() - lasting.keys():
        assert (name, "service_completed_successfully") in conditions, name


def test_nobody_waits_for_less_than_health(services: Services) -> None:
    for name, service in services.items():
        for need, how in _needs(service).items():
            assert how["condition"] in ("service_healthy", "service_completed_successfully"), f"{name} needs {need}"


def test_no_default_service_needs_one_of_a_profile(services: Services) -> None:
    for name, service in services.items():
        for need in _needs(service):
            assert set(services[need].get("profiles", [])) <= set(service.get("profiles", [])), f"{name} needs {need}"


def test_every_service_has_limits(services: Services) -> None:
    for name, service in services.items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name


def test_all_that_runs_by_default_fits_a_machine_of_8_gb(lasting: Services) -> None:
    optional = {name for name, service in lasting.items() if service.get("profiles") in OPTIONAL}
    reserved = [lasting[name]["deploy"]["resources"]["reservations"]["memory"] for name in lasting.keys() - optional]
    assert sum(map(mebibytes, reserved)) <= BUDGET_MIB


def test_no_service_is_ended_for_using_what_it_needs(lasting: Services) -> None:
    for name, service in lasting.items():
        resources = service["deploy"]["resources"]
        needs = resources.get("reservations", resources["limits"])["memory"]
        assert mebibytes(needs) <= mebibytes(resources["limits"]["memory"]), name


def test_ports_are_published_on_this_machine_alone_and_can_be_moved(services: Services) -> None:
    published = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert published
    for name, port in published:
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+_PORT:-\d+\}:\d+", port), f"{name}: {port}"


def test_only_what_publishes_a_port_is_on_the_network_that_leads_outside(compose: Services, services: Services) -> None:
    assert compose["networks"]["back"] == {"internal": True}
    for name, service in services.items():
        assert service["networks"] == (["back", "front"] if "ports" in service else ["back"]), name


def test_no_service_can_gain_rights(services: Services) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert not any("docker.sock" in volume for volume in service.get("volumes", [])), name


def test_nothing_runs_as_root(services: Services) -> None:
    for name, service in services.items():
        if "build" in service:
            dockerfile = (ROOT / service["build"]["dockerfile"]).read_text()
            assert re.findall(r"(?m)^USER (\w+)", dockerfile)[-1:] == ["app"], name
        else:
            assert str(service["user"]).split(":")[0] not in ("", "0", "root"), name


def test_our_own_images_are_locked_and_never_pulled(services: Services) -> None:
    own = {name: service for name, service in services.items() if service["image"].startswith("payments-intelligence/")}
    assert own
    for name, service in own.items():
        assert service["read_only"] is True, name
        assert service["pull_policy"] == "build", name


def test_other_images_are_named_by_variables_with_a_pinned_default(services: Services) -> None:
    for name, service in services.items():
        if "build" not in service:
            match = REFERENCE.fullmatch(service["image"])
            assert match, name
            assert re.search(r":v?\d+\.\d+", match[3]), name
            assert "latest" not in match[3], name


def test_every_variable_is_in_the_example_with_the_same_default() -> None:
    known = listed()
    for variable, operator, default in REFERENCE.findall(TEXT):
        assert variable in known, f"add {variable} to .env.example"
        if operator == "-":
            assert known[variable] == default, variable


def test_variables_that_are_passed_on_are_in_the_example(services: Services) -> None:
    for service in services.values():
        for name, value in service["environment"].items() if "environment" in service else ():
            assert value is not None or name in listed(), f"add {name} to .env.example"


def test_secrets_come_from_the_environment_and_their_absence_says_what_to_do() -> None:
    used = [(name, operator, text) for name, operator, text in REFERENCE.findall(TEXT) if name in PASSWORDS]
    assert {name for name, _, _ in used} == set(PASSWORDS)
    assert all(operator == "?" and "make env" in text for _, operator, text in used)


def test_no_secret_is_in_the_file(services: Services) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN", variable):
                assert REFERENCE.fullmatch(value), f"{name}: {variable}"
            for password in re.findall(r"://[^:/@]+:([^@]*)@", str(value)):
                assert REFERENCE.fullmatch(password), f"{name}: {variable}"


def test_each_service_gets_the_passwords_it_needs_and_no_other(services: Services) -> None:
    def passwords(name: str) -> set[str]:
        values = " ".join(str(value) for value in services[name].get("environment", {}).values())
        return {variable for variable, _, _ in REFERENCE.findall(values)} & set(PASSWORDS)

    assert passwords("stream") == {"PAYMENTS_STREAM_PASSWORD"}
    assert passwords("api") == {"PAYMENTS_API_PASSWORD"}
    assert passwords("dbt") == {"PAYMENTS_DBT_PASSWORD"}
    assert passwords("schema-registry") == {"REGISTRY_DB_PASSWORD"}
    assert passwords("mlflow") == {"MLFLOW_DB_PASSWORD"}
    assert passwords("kafka") == passwords("producer") == passwords("prometheus") == set()


def test_postgres_is_set_up_as_in_the_embedded_door(services: Services) -> None:
    given = dict(option.removeprefix("-c").split("=", 1) for option in services["postgres"]["command"][1:])
    own = ("listen_addresses", "unix_socket_directories")
    assert given == {name: value for name, value in POSTGRES_SETTINGS.items() if name not in own}


def test_volumes_that_are_used_are_declared_and_the_other_way_round(compose: Services, services: Services) -> None:
    mounts = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(compose["volumes"])


def _needs(service: dict[str, Any]) -> dict[str, Any]:
    needs: dict[str, Any] = service.get("depends_on", {})
    return needs
