"""Everything the windows can be told, read from the environment once at start."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.contracts import rules


class WindowsSettings(BaseSettings):
    """Names without the WINDOWS_ prefix are shared with other services."""

    model_config = SettingsConfigDict(env_prefix="WINDOWS_", extra="ignore")

    database_url: str = Field(validation_alias="DATABASE_URL")
    lake_uri: str = Field(default="var/lake", validation_alias="LAKE_URI")
    watermark_seconds: int = Field(
        default_factory=lambda: int(rules()["lateness"]["watermark_seconds"]),
        gt=0,
        validation_alias="STREAM_WATERMARK_SECONDS",
    )

    cache_file: Path = Path("var/windows/cache.duckdb")
    cache_hours: int = Field(default=2, ge=2, description="Hours of purchases that are kept at hand.")
    memory_limit_mb: int = Field(default=128, ge=64, description="Memory of the cache; more goes to disk.")
    tick_seconds: float = Field(default=10, gt=0, description="Pause between two looks at Silver.")
    tick_rows: int = Field(default=200_000, gt=0, description="About how many new rows one look takes.")
    lake_seconds: float = Field(default=60, gt=0, description="Least time between two writes of complete windows.")
    revise_seconds: float = Field(default=900, ge=0, description="Least time between two writes of one window.")
    metrics_port: int = Field(default=9103, ge=0, description="Port of /metrics; 0 switches it off.")
