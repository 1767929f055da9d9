"""A Postgres of these tests' own: the views read all there is, so no other test may write beside them."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from local.platform import Platform
from local.ports import Ports
from local.repository import CACHE, ROOT
from spark_jobs.stream.cubes import CUBES

TABLES = ["payments", "transactions", *(cube.name for cube in CUBES), "payment_hours", "progress"]


@dataclass(frozen=True)
class Warehouse:
    """The migrated database, its roles, and dbt on it."""

    platform: Platform
    scratch: Path

    def url(self, role: str) -> str:
        return self.platform.site.database_url(role)

    def connect(self, role: str) -> psycopg.Connection:
        return psycopg.connect(self.url(role), autocommit=True)

    def start_dbt(self, *arguments: str) -> subprocess.Popen[str]:
        paths = {"DBT_TARGET_PATH": str(self.scratch / "target"), "DBT_LOG_PATH": str(self.scratch / "logs")}
        command = [str(CACHE / "env/dbt/bin/dbt"), "--no-use-colors", *arguments]
        return subprocess.Popen(
            [*command, "--project-dir", "dbt", "--profiles-dir", "dbt"],
            cwd=ROOT,
            env={**os.environ, **self.platform.env, **paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def dbt(self, *arguments: str) -> None:
        running = self.start_dbt(*arguments)
        output, _ = running.communicate(timeout=300)
        assert running.returncode == 0, output[-4000:]

    def empty(self) -> None:
        """Take all rows out, and leave gold as it is after a first build: there, and empty."""
        with self.connect("postgres") as connection:
            connection.execute(f"truncate {', '.join(f'live.{name}' for name in TABLES)}")
            rows = connection.execute(
                "select tablename from pg_tables where schemaname = 'gold' and tablename ~ '^int_'"
            )
            for (name,) in rows.fetchall():
                connection.execute(f"truncate gold.{name}")


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    data = tmp_path_factory.mktemp("gold")
    with Platform(data / "platform", Ports.free()) as platform:
        platform.start("postgres", "migrate")
        built = Warehouse(platform, data)
        built.dbt("build")
        yield built


@pytest.fixture
def empty_warehouse(warehouse: Warehouse) -> Warehouse:
    warehouse.empty()
    return warehouse
