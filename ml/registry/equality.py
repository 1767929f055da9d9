"""The rows by which a served form is compared with the model that was trained, odd rows included."""

from pathlib import Path

from ml import comparison
from ml.training.run import check_rows
from ml.training.trained import Trained

SERVED_ROWS = 60
"""So many are kept with the served form itself: whoever loads it looks whether it still answers as it did."""


def write(trained: Trained, folder: Path, count: int) -> None:
    """Keep so many rows and what scikit-learn makes of them, for a comparison at any later time."""
    columns = check_rows(trained, count)
    expected = trained.estimator.predict_proba(trained.served.encoder.matrix(columns))
    comparison.keep(columns, expected, folder)
