"""Everything the watcher can be told, read from the environment once at start."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AnomaliesSettings(BaseSettings):
    """ANOMALIES_… for the service's own; what is watched and how stands in contracts/anomalies.toml."""

    model_config = SettingsConfigDict(env_prefix="ANOMALIES_", extra="ignore")

    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    poll_seconds: float = Field(default=5.0, gt=0, le=60, description="Pause between two looks for complete minutes.")
    metrics_port: int = Field(default=9104, ge=0, le=65535, description="Port of /metrics; 0 switches it off.")
    log_level: str = "INFO"
