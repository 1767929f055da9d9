"""An application over fakes, and a client that speaks to it in-process."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from serving.analytics.reports import sharing
from serving.app import create_app
from serving.settings import ApiSettings
from tests.unit.serving.fakes import NOW, FakeAnalytics, FakeKeys, FakeWriter


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> ApiSettings:
    url = "postgresql://nobody@127.0.0.1:1/none"
    return ApiSettings(
        DATABASE_URL=url, MODEL_CACHE_DIR=tmp_path / "models", kpi_poll_seconds=60, answers_kept_seconds=0
    )


class Stopwatch:
    """Seconds that pass when told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """The time by which answers are kept."""
    watch = Stopwatch()
    monkeypatch.setattr(sharing, "monotonic", watch)
    return watch


@pytest.fixture
def analytics() -> FakeAnalytics:
    return FakeAnalytics()


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def audit_writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def app(settings: ApiSettings, analytics: FakeAnalytics, keys: FakeKeys, audit_writer: FakeWriter) -> FastAPI:
    return create_app(settings, analytics=analytics, clock=lambda: NOW, keys=keys, audit_writer=audit_writer)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as it:
        yield it
