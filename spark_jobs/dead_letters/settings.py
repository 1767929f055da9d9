"""What the commands over dead letters are told by the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings


class DeadLetterSettings(BaseSettings):
    """All of it is shared with other services; only a re-drive needs Kafka."""

    database_url: str = Field(validation_alias="DATABASE_URL")
    lake_uri: str = Field(default="var/lake", validation_alias="LAKE_URI")
    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    schema_registry_url: str = Field(
        default="http://127.0.0.1:8081/apis/ccompat/v7", validation_alias="SCHEMA_REGISTRY_URL"
    )
