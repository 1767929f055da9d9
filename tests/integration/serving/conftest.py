"""A migrated database of its own with stand-ins for the gold views, and the application on it."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from local.platform import Platform
from postgres.migrate import upgrade
from postgres.settings import MigrateSettings
from serving.app import create_app
from serving.settings import ApiSettings

DATABASE = "serving_tests"
EMPTY_DATABASE = "serving_tests_without_views"

Opened = tuple[httpx.AsyncClient, FastAPI]
Opener = Callable[..., AbstractAsyncContextManager[Opened]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def databases(platform: Platform) -> Iterator[None]:
    platform.start("postgres", "migrate")
    with psycopg.connect(platform.site.admin_url, autocommit=True) as admin:
        for name in (DATABASE, EMPTY_DATABASE):
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    for name in (DATABASE, EMPTY_DATABASE):
        upgrade(MigrateSettings.model_validate(_known(platform.env)), name)
    with psycopg.connect(platform.site.database_url("postgres", DATABASE), autocommit=True) as connection:
        connection.execute((Path(__file__).parent / "gold.sql").read_bytes())
    yield
    with psycopg.connect(platform.site.admin_url, autocommit=True) as admin:
        for name in (DATABASE, EMPTY_DATABASE):
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _known(environment: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in environment.items() if name.lower() in MigrateSettings.model_fields}


@pytest.fixture
def superuser(platform: Platform, databases: None) -> Iterator[psycopg.Connection]:
    with psycopg.connect(platform.site.database_url("postgres", DATABASE), autocommit=True) as connection:
        yield connection


@pytest.fixture
def api_url(platform: Platform, databases: None) -> str:
    return platform.site.database_url("api", DATABASE)


@pytest.fixture
def open_app() -> Opener:
    """Start the application on a database URL; settings as keyword arguments."""

    @asynccontextmanager
    async def opened(url: str, **settings: object) -> AsyncIterator[Opened]:
        ours = {"DATABASE_URL": url, "kpi_poll_seconds": 60, "answers_kept_seconds": 0}
        app = create_app(ApiSettings.model_validate({**ours, **settings}))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as it:
            yield it, app

    return opened
