"""Forms of all models, a registry of folders, and the application over both."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ml.features.definitions import DEFINITIONS
from serving.app import create_app
from serving.decisions.registry import BadVersion, Registered, RegistryAway
from serving.settings import ApiSettings
from tests import served_forms
from tests.unit.serving.fakes import NOW, FakeAnalytics, FakeKeys, FakeWriter


class Folders:
    """A registry: which form bears which alias of which model."""

    def __init__(self, forms: Path) -> None:
        self.forms = forms
        self.aliases: dict[tuple[str, str], tuple[int, Path]] = {}
        self.is_away = False
        self.fetched = 0

    def set(self, model: str, alias: str, number: int, form: Path) -> None:
        self.aliases[(model, alias)] = (number, form)

    async def fetch_to(self, folder: Path) -> None:
        """A copy of fraud's form, to be damaged."""
        shutil.copytree(self.forms / "fraud_detection_model", folder)

    async def with_alias(self, model: str, alias: str) -> Registered | None:
        if self.is_away:
            raise RegistryAway("MLflow does not answer")
        found = self.aliases.get((model, alias))
        return found and Registered(model, found[0], f"{found[0]}-{found[1].name}")

    async def fetch(self, registered: Registered, folder: Path) -> None:
        self.fetched += 1
        (form,) = {form for number, form in self.aliases.values() if registered.identity == f"{number}-{form.name}"}
        if not form.exists():
            raise BadVersion("its files are gone")
        shutil.copytree(form, folder)


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per model, and of fraud another one."""
    root = tmp_path_factory.mktemp("forms")
    for model in DEFINITIONS:
        served_forms.write(model, root / model)
    served_forms.write("fraud_detection_model", root / "another", seed=2)
    return root


@pytest.fixture
def folders(forms: Path) -> Folders:
    found = Folders(forms)
    for model in DEFINITIONS:
        found.set(model, "champion", 1, forms / model)
    return found


@pytest.fixture
def audit_writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def make_app(folders: Folders, tmp_path: Path, keys: FakeKeys, audit_writer: FakeWriter) -> Callable[..., FastAPI]:
    def made(**settings: object) -> FastAPI:
        known = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "MODEL_CACHE_DIR": tmp_path / "cache"}
        return create_app(
            ApiSettings.model_validate({**known, "kpi_poll_seconds": 60, **settings}),
            analytics=FakeAnalytics(),
            clock=lambda: NOW,
            keys=keys,
            audit_writer=audit_writer,
            models=folders,
            inference_sinks=[],
        )

    return made


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as it:
        yield it
