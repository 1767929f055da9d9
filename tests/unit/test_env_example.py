""".env.example lists every variable there is, says what it is for, and shows the true default."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic_settings import BaseSettings

from local.credentials import PASSWORDS
from local.ports import Ports, variable
from ml.anomalies.settings import AnomaliesSettings
from ml.settings import MlSettings
from ml.watching.settings import WatchingSettings
from postgres.settings import MigrateSettings
from producer.settings import ProducerSettings
from serving.settings import ApiSettings
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.messages.settings import MessagesSettings
from spark_jobs.object_store import ObjectStoreSettings
from spark_jobs.settings import StreamSettings
from spark_jobs.windows.settings import WindowsSettings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SETTINGS = (
    ProducerSettings,
    StreamSettings,
    WindowsSettings,
    MessagesSettings,
    AnomaliesSettings,
    MigrateSettings,
    ApiSettings,
    ObjectStoreSettings,
    MaintenanceSettings,
    MlSettings,
    WatchingSettings,
)
LINE = re.compile(r"^(?P<off>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")


class Entry(NamedTuple):
    value: str
    is_set: bool
    comment: str


def entries() -> dict[str, Entry]:
    lines = EXAMPLE.read_text().splitlines()
    found = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if match := LINE.match(line):
            found[match["name"]] = Entry(match["value"], not match["off"], above)
    return found


def variables(settings: type[BaseSettings]) -> dict[str, str]:
    """The environment variable of each field."""
    prefix = settings.model_config.get("env_prefix", "")
    fields = settings.model_fields.items()
    return {name: str(field.validation_alias or f"{prefix}{name}".upper()) for name, field in fields}


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_variable_of_a_service_is_listed(settings: type[BaseSettings]) -> None:
    missing = set(variables(settings).values()) - entries().keys()
    assert not missing, f"add {sorted(missing)} to .env.example"


def test_every_port_of_the_embedded_door_is_listed_with_its_default() -> None:
    listed = {name: entry.value for name, entry in entries().items()}
    for name, default in vars(Ports()).items():
        assert listed.get(variable(name)) == str(default)


def test_every_secret_is_listed_to_be_generated() -> None:
    generated = {name for name, entry in entries().items() if entry.value == "generate" and entry.is_set}
    assert generated == {*PASSWORDS, "LAKE_S3_SECRET_ACCESS_KEY"}


@pytest.mark.parametrize("name", entries())
def test_every_variable_is_explained_in_the_line_above(name: str) -> None:
    assert re.match(r"# \S.{4,}", entries()[name].comment), f"{name} has no comment above"


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_value_shown_is_the_default(settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in entries().items():
        monkeypatch.setenv(name, entry.value)
    shown = settings()
    demo_ports = {variable(name) for name in vars(Ports())}
    for field, name in variables(settings).items():
        info = settings.model_fields[field]
        default = info.get_default(call_default_factory=True, validated_data={})
        if not info.is_required() and default is not None and name not in demo_ports:
            assert getattr(shown, field) == default, name


def test_no_secret_is_written_down() -> None:
    for name, entry in entries().items():
        if name.endswith("PASSWORD"):
            assert entry.value in ("generate", "PASSWORD")
