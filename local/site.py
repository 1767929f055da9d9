"""One platform's own place: its data folder, ports, passwords, and the addresses that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.ports import LOCALHOST, Ports


@dataclass(frozen=True)
class Site:
    """Everything a service declaration needs to know about where it runs."""

    data: Path
    ports: Ports
    passwords: Mapping[str, str]

    @property
    def kafka(self) -> str:
        return f"{LOCALHOST}:{self.ports.kafka}"

    @property
    def registry(self) -> str:
        return f"http://{LOCALHOST}:{self.ports.registry}/apis/ccompat/v7"

    @property
    def api(self) -> str:
        return f"http://{LOCALHOST}:{self.ports.api}"

    @property
    def mlflow(self) -> str:
        return f"http://{LOCALHOST}:{self.ports.mlflow}"

    @property
    def lake(self) -> Path:
        return self.data / "lake"

    def database_url(self, role: str, database: str = "payments") -> str:
        """The URL for `owner`, `stream`, `dbt`, `api`, `access`, `analyst`, or the superuser `postgres`."""
        superuser = role == "postgres"
        user = "postgres" if superuser else f"payments_{role}"
        password = self.passwords["POSTGRES_PASSWORD" if superuser else f"PAYMENTS_{role.upper()}_PASSWORD"]
        return f"postgresql://{user}:{password}@{LOCALHOST}:{self.ports.postgres}/{database}"

    @property
    def mlflow_database_url(self) -> str:
        """Where MLflow's server keeps runs and registered models, as SQLAlchemy names it."""
        password = self.passwords["MLFLOW_DB_PASSWORD"]
        return f"postgresql+psycopg://mlflow:{password}@{LOCALHOST}:{self.ports.postgres}/mlflow"

    @property
    def admin_url(self) -> str:
        """The superuser's, to the database that is there before any other."""
        return self.database_url("postgres", "postgres")

    @property
    def broker_env(self) -> dict[str, str]:
        """Where events come from and what they look like."""
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka, "SCHEMA_REGISTRY_URL": self.registry}

    @property
    def dbt_env(self) -> dict[str, str]:
        """The profile of the dbt project."""
        return {
            "DBT_HOST": LOCALHOST,
            "DBT_PORT": str(self.ports.postgres),
            "DBT_DATABASE": "payments",
            "DBT_USER": "payments_dbt",
            "DBT_PASSWORD": self.passwords["PAYMENTS_DBT_PASSWORD"],
            "DBT_TARGET_PATH": str(self.data / "dbt" / "target"),
            "DBT_LOG_PATH": str(self.data / "dbt" / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    @property
    def connections(self) -> dict[str, str]:
        """What a person or a test needs to connect; the database as the reader that the API is."""
        return {
            **self.broker_env,
            "DATABASE_URL": self.database_url("api"),
            "LAKE_URI": str(self.lake),
            "API_URL": self.api,
            "MLFLOW_TRACKING_URI": self.mlflow,
        }

    @property
    def env(self) -> dict[str, str]:
        """All addresses and passwords, for tests and one-shot commands."""
        return {**self.connections, **self.passwords, **self.dbt_env, "POSTGRES_ADMIN_URL": self.admin_url}
