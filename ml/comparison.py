"""Rows kept beside a model with the answers of the one that was trained, and how far a served form is from those."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ml.errors import MlError
from ml.features.encoder import Columns, Floats
from ml.form import ServedModel, greatest_difference
from ml.policy import promotion

FILE = "equality.json"


def keep(columns: Columns, expected: Floats, folder: Path) -> None:
    """Write the rows and the answers."""
    kept = {"columns": columns, "expected": np.asarray(expected).tolist()}
    (folder / FILE).write_text(json.dumps(kept, default=_instant_text), encoding="utf-8")


def difference(served: ServedModel, folder: Path) -> float:
    """How far the served form, asked row by row, is from what was kept; at most. Raises MlError without such rows."""
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return greatest_difference(served.probabilities_of(rows_of(kept["columns"])), np.array(kept["expected"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MlError(f"The rows to compare with are gone or damaged ({error!r}): train the model again.") from error


def require_equal(served: ServedModel, folder: Path) -> None:
    """Return when the served form gives the kept answers. Raises MlError when it does not."""
    found = difference(served, folder)
    if not found <= promotion().equality_tolerance:
        raise MlError(f"{served.name} answers its own check rows otherwise than in training, by up to {found:.1e}.")


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns as requests."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _instant_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be kept as JSON")
