"""The benchmark's model behind BentoML; only its own environment imports this."""

import os
from typing import Any

import bentoml
import mlflow
import pandas as pd


@bentoml.service(workers=1)
class Fraud:
    """Answers rows with probabilities."""

    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, float]]:
        """One answer per row."""
        frame = pd.DataFrame(rows)
        frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"])
        found: list[dict[str, float]] = self.model.predict(frame).to_dict("records")
        return found
