"""Everything the stream can be told, read from the environment once at start."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.contracts import rules


class StreamSettings(BaseSettings):
    """Names without the STREAM_ prefix are shared with other services."""

    model_config = SettingsConfigDict(env_prefix="STREAM_", extra="ignore")

    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    schema_registry_url: str = Field(
        default="http://127.0.0.1:8081/apis/ccompat/v7", validation_alias="SCHEMA_REGISTRY_URL"
    )
    database_url: str = Field(validation_alias="DATABASE_URL")
    lake_uri: str = Field(default="var/lake", validation_alias="LAKE_URI")
    spark_master: str = Field(default="local[*]", validation_alias="SPARK_MASTER")

    checkpoint_dir: str = "var/checkpoints"
    jars_dir: Path = Path(".cache/artifacts/spark")
    topics: tuple[str, ...] = ("payments.transactions", "ecommerce.transactions", "customer.messages")
    starting_offsets: str = Field(default="earliest", description="Where a stream without a checkpoint begins.")
    max_offsets_per_trigger: int = Field(default=100_000, gt=0, description="Most messages in one batch.")
    trigger_interval_ms: int = Field(default=0, ge=0, description="Least time between batches; 0: none.")
    messages_interval_ms: int = Field(default=5000, ge=0, description="The same for what customers write.")
    revisions_interval_seconds: float = Field(default=30, gt=0, description="Pause between revisions of the lake.")
    watermark_seconds: int = Field(default_factory=lambda: int(rules()["lateness"]["watermark_seconds"]), gt=0)
    dedup_window_seconds: int = Field(default_factory=lambda: int(rules()["lateness"]["dedup_window_seconds"]), gt=0)
    state_dir: str = Field(default="var/state", description="Folder of the identity window; may be lost.")
    driver_memory: str = "1536m"
    ui_port: int = Field(default=0, ge=0, description="Port of Spark's own page; 0 switches it off.")
    metrics_port: int = Field(default=9101, ge=0, description="Port of /metrics; 0 switches it off.")
    log_level: str = "WARN"
