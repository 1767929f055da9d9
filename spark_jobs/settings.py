"""Everything the stream can be told, read from the environment once at start."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
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
    starting_offsets: str = Field(default="earliest", description="Where an unread topic is begun.")
    max_offsets_per_trigger: int = Field(default=100_000, gt=0, description="Most messages in one batch.")
    trigger_interval_ms: int = Field(default=0, ge=0, description="Least time between batches; 0: none.")
    messages_interval_ms: int = Field(default=5000, ge=0, description="The same for what customers write.")
    revisions_interval_seconds: float = Field(default=30, gt=0, description="Pause between revisions of the lake.")
    watermark_seconds: int = Field(default_factory=lambda: int(rules()["lateness"]["watermark_seconds"]), gt=0)
    dedup_window_seconds: int = Field(default_factory=lambda: int(rules()["lateness"]["dedup_window_seconds"]), gt=0)
    state_dir: str = Field(default="var/state", description="Folder of the identity window; may be lost.")
    shard_index: int = Field(default=0, ge=0, description="Which of the processes this is, from 0.")
    shard_count: int = Field(default=1, ge=1, description="How many processes share the partitions of each topic.")
    driver_memory: str = "1g"
    driver_host: str = Field(
        default="", description="Name by which executors reach this process; empty: Spark's guess."
    )
    driver_bind_address: str = Field(default="", description="Address the driver listens on; empty: its own name's.")
    executor_memory: str = "1g"
    executor_cores: int = Field(default=1, ge=1, description="Cores of each executor of a cluster.")
    cores_max: int = Field(default=0, ge=0, description="Most cores taken of a cluster; 0: all of them.")
    ui_port: int = Field(default=0, ge=0, description="Port of Spark's own page; 0 switches it off.")
    metrics_port: int = Field(default=9101, ge=0, description="Port of /metrics; 0 switches it off.")
    log_level: str = "WARN"

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard_index >= self.shard_count:
            raise ValueError(
                f"STREAM_SHARD_INDEX={self.shard_index} with STREAM_SHARD_COUNT={self.shard_count}: "
                "the processes are numbered from 0"
            )
        return self

    def own(self, folder: str) -> Path:
        """This process's part of a folder that several may share."""
        return Path(folder, f"shard-{self.shard_index}-of-{self.shard_count}" if self.shard_count > 1 else "")
