"""Whether a served form gives the probabilities of the model that was trained, row by row, odd rows included."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ml.errors import MlError
from ml.features.encoder import Floats
from ml.form import ServedModel, greatest_difference
from ml.policy import promotion
from ml.training.run import check_rows
from ml.training.trained import Trained

FILE = "equality.json"


def write(trained: Trained, folder: Path) -> None:
    """Keep the rows and what scikit-learn makes of them, for a comparison at any later time."""
    columns = check_rows(trained, promotion().equality_rows)
    expected = trained.estimator.predict_proba(trained.served.encoder.matrix(columns))
    kept = {"columns": columns, "expected": np.asarray(expected).tolist()}
    (folder / FILE).write_text(json.dumps(kept, default=_instant_text), encoding="utf-8")


def difference(served: ServedModel, folder: Path) -> float:
    """How far the served form, asked row by row, is from what was kept; at most."""
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MlError(f"The rows to compare with are gone or damaged ({error}): train the model again.") from error
    return greatest_difference(_row_by_row(served, kept["columns"]), np.array(kept["expected"]))


def _row_by_row(served: ServedModel, columns: dict[str, list[Any]]) -> Floats:
    names = list(columns)
    return served.probabilities_of([dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)])


def _instant_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be kept as JSON")
