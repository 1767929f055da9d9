"""Everything the analysis of messages can be told, read from the environment once at start."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MessagesSettings(BaseSettings):
    """Names without the MESSAGES_ prefix are shared with other services."""

    model_config = SettingsConfigDict(env_prefix="MESSAGES_", extra="ignore")

    database_url: str = Field(validation_alias="DATABASE_URL")
    lake_uri: str = Field(default="var/lake", validation_alias="LAKE_URI")
    ollama_base_url: str = Field(default="", validation_alias="OLLAMA_BASE_URL", description="Empty: no LLM.")
    ollama_model: str = Field(default="", validation_alias="OLLAMA_MODEL", description="Empty: no LLM.")

    tick_seconds: float = Field(default=5, gt=0, description="Pause between two looks at Silver.")
    batch_rows: int = Field(default=500, gt=0, le=10_000, description="Most messages analysed at a time.")
    llm_timeout_seconds: float = Field(default=20, gt=0, description="Most time for one answer of the LLM.")
    llm_batch_seconds: float = Field(default=10, ge=0, description="After so long the rest of a batch does without.")
    metrics_port: int = Field(default=9106, ge=0, description="Port of /metrics; 0 switches it off.")
