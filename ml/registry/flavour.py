"""A served form as a model of MLflow, so that any tool that speaks MLflow can load and serve it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, DataType, Schema

from ml.features.definition import Definition
from ml.form import ServedModel, load

_TYPES = {
    "number": DataType.double,
    "boolean": DataType.boolean,
    "category": DataType.string,
    "instant": DataType.datetime,
}


class Scoring(PythonModel):  # type: ignore[misc]
    """Answers a frame of requests with a frame of probabilities, one column per class."""

    def load_context(self, context: Any) -> None:
        """Read the served form among the artifacts."""
        self._model: ServedModel = load(Path(context.artifacts["form"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Probabilities of the classes."""
        columns = {name: model_input[name].tolist() for name in model_input.columns}
        return pd.DataFrame(np.asarray(self._model.probabilities(columns)), columns=list(self._model.classes))


def signature(definition: Definition, classes: tuple[str, ...]) -> ModelSignature:
    """The request's fields and the classes, as MLflow writes them down."""
    inputs = [ColSpec(_TYPES[one.kind], one.name, required=one.is_required) for one in definition.fields]
    return ModelSignature(Schema(inputs), Schema([ColSpec(DataType.double, name) for name in classes]))
