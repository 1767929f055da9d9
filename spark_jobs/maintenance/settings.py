"""What maintenance can be told, read from the environment once at start. What is kept how long: contracts/lake.toml."""

import math
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class MaintenanceSettings(BaseSettings):
    """Names without the MAINTENANCE_ prefix are shared with other services."""

    model_config = SettingsConfigDict(env_prefix="MAINTENANCE_", extra="ignore")

    database_url: str = Field(validation_alias="DATABASE_URL")
    lake_uri: str = Field(default="var/lake", validation_alias="LAKE_URI")
    archive_uri: str = Field(default="", validation_alias="ARCHIVE_URI", description="Empty: expired days are gone.")

    thorough_every_seconds: float = Field(default=3600, ge=0, description="Pause between cluster, vacuum and retain.")
    database_retention_days: int = Field(default=7, ge=7, description="Age at which detail leaves Postgres.")
    aggregate_retention_days: int = Field(default=90, ge=7, description="Age at which aggregates leave Postgres.")
    label_delay_days: float = Field(default=7.0, ge=0, le=365, validation_alias="ML_LABEL_DELAY_DAYS")
    memory_bytes: int = Field(default=128 * 1024 * 1024, gt=0, description="What sorting may take before it spills.")
    most_clustered_bytes: int = Field(
        default=128 * 1024 * 1024, ge=0, description="A larger day stays in order of arrival: sorting takes memory."
    )
    metrics_port: int = Field(default=9105, ge=0, description="Port of /metrics; 0 switches it off.")

    @model_validator(mode="after")
    def _outlive(self) -> Self:
        if self.aggregate_retention_days < self.database_retention_days:
            raise ValueError(
                "aggregates must be kept as long as the detail: raise MAINTENANCE_AGGREGATE_RETENTION_DAYS to "
                f"{self.database_retention_days}"
            )
        if self.database_retention_days < self.label_delay_days:
            raise ValueError(
                "models are judged by purchases whose fraud labels are ripe: raise "
                f"MAINTENANCE_DATABASE_RETENTION_DAYS to {math.ceil(self.label_delay_days)}"
            )
        return self
