"""Everything training can be told, read from the environment once at start."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MlSettings(BaseSettings):
    """ML_… for training's own; what is asked of the models stands in contracts/models.toml."""

    model_config = SettingsConfigDict(env_prefix="ML_", extra="ignore")

    lake_uri: str = Field(default="var/lake", validation_alias="LAKE_URI", min_length=1)
    tracking_uri: str = Field(
        default="sqlite:///var/mlflow/mlflow.db",
        validation_alias="MLFLOW_TRACKING_URI",
        min_length=1,
        description="MLflow server, or a database file where there is none.",
    )
    label_delay_days: float = Field(default=7.0, ge=0, le=365, description="Fraud labels of so many days are unknown.")
    most_rows: int = Field(
        default=1_000_000, ge=1000, description="Payments that are read from the lake; of more one purchase in so many."
    )
    results_dir: str = Field(default="var/ml/results", min_length=1, description="Folder of cards and plots.")
