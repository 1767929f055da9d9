"""Every setting of the service, typed, in one place."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Read from the environment: `API_…` for the service's own, unprefixed names for what is shared."""

    model_config = SettingsConfigDict(env_prefix="API_", extra="ignore")

    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    """Connection string of a role that may only read, e.g. postgresql://payments_api:…@127.0.0.1:5433/payments."""
    kafka_bootstrap_servers: str | None = Field(default=None, validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    """Checked by /health when set; host:port, comma separated."""
    schema_registry_url: str | None = Field(default=None, validation_alias="SCHEMA_REGISTRY_URL")
    """Checked by /health when set; base URL of the Confluent-compatible API."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any free port."""
    log_level: str = "info"

    pool_size: int = Field(default=8, ge=2, le=100)
    """Most Postgres connections open at once."""
    pool_wait_seconds: float = Field(default=1.5, gt=0, le=30)
    """Longest wait for a free connection before a request is refused with 503."""
    statement_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    """Postgres cancels a query that runs longer."""

    requests_at_once: int = Field(default=256, ge=1, le=10_000)
    """Most requests being answered at once; more are refused with 503. Probes and live streams do not count."""
    answers_kept_seconds: float = Field(default=0.5, ge=0, le=60)
    """How long an answer of analytics is given again to whoever asks the same: so much older it may be."""

    keys_required: bool = False
    """Whether everything but health, metrics and static files needs a key; else anybody may read analytics."""
    key_cache_seconds: float = Field(default=5.0, ge=0, le=300)
    """How long a key that was looked up is remembered: so long it may work after it was revoked."""

    kpi_poll_seconds: float = Field(default=1.0, ge=0.1, le=60)
    """How often the KPIs are read for all listeners of the live stream together."""
    stale_after_seconds: float = Field(default=30.0, gt=0)
    """Age of the last committed batch from which the stream counts as degraded."""
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    """Where versions of models come from: the base URL of an MLflow server; other addresses are not looked at."""
    model_cache_dir: Path = Field(default=Path("var/models"), validation_alias="MODEL_CACHE_DIR")
    """Folder that keeps the served versions over a restart."""
    model_poll_seconds: float = Field(default=5.0, ge=0.1, le=3600)
    """How often the aliases are looked at."""
    decisions_file: Path = Path("contracts/decisions.toml")
    """Policy rules; read again when it changes."""
    experiments_file: Path = Path("contracts/experiments.toml")
    """Experiments; read again when it changes."""

    health_timeout_seconds: float = Field(default=2.0, gt=0, le=10)
    """Longest a single dependency check may take."""
