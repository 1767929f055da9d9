"""What a migration needs to know: where Postgres is, and the passwords of the roles it keeps."""

from pydantic import Field, PostgresDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings


class MissingSettingsError(Exception):
    """A required environment variable is absent or unreadable; the message names each."""


class MigrateSettings(BaseSettings):
    """Read from the environment; every variable without a default is required."""

    postgres_admin_url: PostgresDsn = Field(description="A superuser's URL, on the maintenance database")
    payments_owner_password: SecretStr = Field(min_length=1)
    payments_stream_password: SecretStr = Field(min_length=1)
    payments_dbt_password: SecretStr = Field(min_length=1)
    payments_api_password: SecretStr = Field(min_length=1)
    payments_access_password: SecretStr = Field(min_length=1)
    payments_analyst_password: SecretStr = Field(min_length=1)
    registry_db_password: SecretStr = Field(min_length=1)
    mlflow_db_password: SecretStr = Field(min_length=1)
    postgres_wait_seconds: float = Field(default=60, ge=0, description="How long to wait for Postgres to answer")


def read_settings() -> MigrateSettings:
    """The settings of this process.

    Raises:
        MissingSettingsError: when a variable is missing or unreadable; no value is repeated in the message.
    """
    try:
        return MigrateSettings()
    except ValidationError as error:
        problems = [f"  {str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False)]
        raise MissingSettingsError("Set these environment variables:\n" + "\n".join(problems)) from None
