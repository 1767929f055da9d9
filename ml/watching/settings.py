"""Everything the watch can be told, read from the environment once at start."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class WatchingSettings(BaseSettings):
    """WATCHING_… for the service's own; what is drift stands in contracts/models.toml."""

    model_config = SettingsConfigDict(env_prefix="WATCHING_", extra="ignore")

    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    label_delay_days: float = Field(default=7.0, ge=0, le=365, validation_alias="ML_LABEL_DELAY_DAYS")
    poll_seconds: float = Field(default=30.0, gt=0, le=600, description="Pause between two looks for complete hours.")
    metrics_port: int = Field(default=9107, ge=0, le=65535, description="Port of /metrics; 0 switches it off.")
    log_level: str = "INFO"
