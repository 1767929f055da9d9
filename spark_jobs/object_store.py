"""How a lake in an S3-compatible store is reached: the one place that knows its address, keys and manners."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

S3_SCHEMES = ("s3://", "s3a://")


class ObjectStoreSettings(BaseSettings):
    """Read whenever a table is opened, so that every job finds the lake in the same way."""

    model_config = SettingsConfigDict(env_prefix="LAKE_S3_", env_ignore_empty=True, extra="ignore")

    endpoint: str | None = Field(default=None, description="URL of the store; unset: Amazon's of the region.")
    region: str = "us-east-1"
    access_key_id: str | None = Field(default=None, description="Unset: the credentials of the machine's role.")
    secret_access_key: SecretStr | None = None


def storage_options(uri: str) -> dict[str, str] | None:
    """What delta-rs needs to open tables at this address; None for folders.

    A commit is a put that fails when the object exists (`If-None-Match`), so that of two writers of the same version
    one wins and the other looks again. A store that ignores the header is no place for a lake.
    """
    if not uri.startswith(S3_SCHEMES):
        return None
    settings = ObjectStoreSettings()
    options = {"aws_region": settings.region, "aws_conditional_put": "etag"}
    if settings.endpoint:
        plain = settings.endpoint.startswith("http://")
        options |= {"aws_endpoint": settings.endpoint, "aws_allow_http": str(plain).lower()}
    if settings.access_key_id and settings.secret_access_key:
        options["aws_access_key_id"] = settings.access_key_id
        options["aws_secret_access_key"] = settings.secret_access_key.get_secret_value()
    return options
