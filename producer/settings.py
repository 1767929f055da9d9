"""The producer's configuration, read once from the environment at the start of a command."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProducerSettings(BaseSettings):
    """Variables are prefixed PRODUCER_, except the two addresses that every service shares."""

    model_config = SettingsConfigDict(env_prefix="PRODUCER_", populate_by_name=True)

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    schema_registry_url: str = Field("http://127.0.0.1:8081/apis/ccompat/v7", validation_alias="SCHEMA_REGISTRY_URL")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of /metrics; 0 switches it off.")
    partitions: int = Field(2, ge=1, description="Partitions of each topic that `init` creates.")
    replication: int = Field(1, ge=1, description="Replicas of each topic that `init` creates.")
    retention_hours: int = Field(168, ge=1, description="How long Kafka keeps a message.")
    wait_seconds: float = Field(120.0, gt=0, description="How long to wait for broker and registry at the start.")
    delivery_timeout_seconds: int = Field(600, ge=1, description="How long a message is retried without the broker.")
    queue_messages: int = Field(100_000, ge=1000, description="Messages held in memory before sending has to wait.")
    customers: int = Field(400_000, ge=100, description="Customers in the simulated world.")
    merchants: int = Field(400, ge=20, description="Merchants in the simulated world.")
